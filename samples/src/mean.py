import statistics
import sys

numbers = [int(word) for word in sys.argv[1:]]
print(f"mean of {len(numbers)} numbers: {statistics.mean(numbers)}")
