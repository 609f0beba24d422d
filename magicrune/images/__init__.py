"""Root filesystems for container backends: built once, stored by digest, checked when used."""
