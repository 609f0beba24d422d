"""Shell text → the simple commands that it may run, as far as they are literal.

Not a parser of the whole language: it knows quoting, comments, here-documents,
substitutions, reserved words and redirections well enough to tell a command's words from
text. Each character is looked at once; nothing is expanded or run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

UNKNOWN = "\0"
"""Stands in a word for what only the shell can know: ``$x``, ``$(date)``."""
MAX_DEPTH = 20
"""Of substitutions and subshells within each other; deeper text is not looked at."""

_RESERVED = frozenset("! { } if then else elif fi do done while until coproc".split(" "))
_BLANK = " \t\r"
_ENDS = frozenset(" \t\r\n;&|()<>")
_PLAIN = re.compile(r"[^ \t\r\n'\"\\$`;&|()<>]+")
_QUOTED = re.compile(r'[^"\\$`]+')
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^]]*\])?\+?=")
_REDIRECT = re.compile(r"<<<|<<-|<<|<>|<&|>>|>&|>\||<|>")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?!$-]")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


@dataclass(frozen=True, slots=True)
class SimpleCommand:
    """Words with quotes removed, without assignments before them; targets of redirections."""

    words: tuple[str, ...]
    targets: tuple[str, ...]
    line: int


def scan_commands(text: str) -> list[SimpleCommand]:
    """All simple commands of `text`, those of substitutions and subshells too."""
    scanner = _Scanner(text.replace(UNKNOWN, " "))
    while scanner.at < len(text):
        scanner.commands("", 0)
    return scanner.found


class _Level:
    """The command being read, of one nesting level."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.targets: list[str] = []
        self.line = 1
        self.cases = 0
        self.here: list[tuple[str, bool]] = []


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: list[SimpleCommand] = []
        self._counted = (0, 1)

    def commands(self, until: str, depth: int) -> None:
        """Reads up to the closing `until` (taken) or the end."""
        if depth > MAX_DEPTH:
            self.at = len(self.text)
            return
        level = _Level()
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == until and not (char == ")" and level.cases):
                self.at += 1
                break
            if char in _BLANK:
                self.at += 1
            elif char == "\n":
                self.flush(level)
                self.at += 1
                self.skip_here_documents(level)
            elif char == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif char in ";&|()":
                self.operator(char, level, depth)
            elif char in "<>":
                self.redirect(level, until, depth)
            else:
                self.take_word(level, until, depth)
        self.flush(level)

    def operator(self, char: str, level: _Level, depth: int) -> None:
        if char == "&" and self.text.startswith(">", self.at + 1):
            self.at += 1  # &> is a redirection
            return
        self.flush(level)
        self.at += 1
        if char == "(":
            self.commands(")", depth + 1)

    def flush(self, level: _Level) -> None:
        if level.words or level.targets:
            self.found.append(SimpleCommand(tuple(level.words), tuple(level.targets), level.line))
        level.words.clear()
        level.targets.clear()

    def begin(self, level: _Level) -> None:
        """Notes the line on which a command begins; lines are counted once, forwards."""
        if not level.words and not level.targets:
            before, line = self._counted
            self._counted = (self.at, line + self.text.count("\n", before, self.at))
            level.line = self._counted[1]

    def take_word(self, level: _Level, until: str, depth: int) -> None:
        self.begin(level)
        start = self.at
        word = self.word(until, depth)
        bare = word == self.text[start : self.at]
        if not level.words:
            if bare and word in _RESERVED:
                return
            if _ASSIGNMENT.match(self.text, start, self.at):
                return
            if bare and word in ("case", "esac"):
                level.cases = max(0, level.cases + (1 if word == "case" else -1))
        if word.isdigit() and self.text[self.at : self.at + 1] in ("<", ">") and bare:
            return  # 2>file
        level.words.append(word)

    def redirect(self, level: _Level, until: str, depth: int) -> None:
        if self.text.startswith(("<(", ">("), self.at):
            self.at += 2
            self.commands(")", depth + 1)
            level.words.append(UNKNOWN)
            return
        found = _REDIRECT.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        while self.text[self.at : self.at + 1] in tuple(_BLANK):
            self.at += 1
        self.begin(level)
        target = self.word(until, depth)
        if found.group() in ("<<", "<<-"):
            level.here.append((target, found.group() == "<<-"))
        elif found.group() != "<<<":
            level.targets.append(target)

    def skip_here_documents(self, level: _Level) -> None:
        for delimiter, tabs in level.here:
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = min(end + 1, len(self.text))
                if (line.lstrip("\t") if tabs else line) == delimiter:
                    break
        level.here.clear()

    def word(self, until: str, depth: int) -> str:
        parts: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in _ENDS or char == until:
                break
            plain = _PLAIN.match(self.text, self.at)
            if plain:
                parts.append(plain.group())
                self.at = plain.end()
            elif char == "'":
                parts.append(self.single_quoted())
            elif char == '"':
                self.at += 1
                parts.append(self.double_quoted(depth))
            elif char == "\\":
                parts.append(self.text[self.at + 1 : self.at + 2].replace("\n", ""))
                self.at += 2
            else:
                parts.append(self.expansion(char, depth))
        return "".join(parts)

    def single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        end = len(self.text) if end < 0 else end
        begin, self.at = self.at + 1, end + 1
        return self.text[begin:end]

    def double_quoted(self, depth: int) -> str:
        parts: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                break
            if char == "\\":
                after = self.text[self.at + 1 : self.at + 2]
                parts.append(after if after in '$`"\\' else "" if after == "\n" else char + after)
                self.at += 2
            elif char in "$`":
                parts.append(self.expansion(char, depth))
            else:
                found = _QUOTED.match(self.text, self.at)
                assert found is not None
                parts.append(found.group())
                self.at = found.end()
        return "".join(parts)

    def expansion(self, char: str, depth: int) -> str:
        """After ``$`` or a backquote: reads commands in it, gives UNKNOWN (or the ``$``)."""
        self.at += 1
        if char == "`":
            self.commands("`", depth + 1)
            return UNKNOWN
        after = self.text[self.at : self.at + 1]
        if after == "(":
            self.at += 1
            self.commands(")", depth + 1)
        elif after == "{":
            self.at += 1
            self.braces(depth + 1)
        elif after == "'":
            return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], UNKNOWN), self.single_quoted())
        elif found := _NAME.match(self.text, self.at):
            self.at = found.end()
        else:
            return "$"
        return UNKNOWN

    def braces(self, depth: int) -> None:
        """``${...}``: only the substitutions in it matter."""
        if depth > MAX_DEPTH:
            self.at = len(self.text)
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == "}":
                return
            if char == "\\":
                self.at += 1
            elif char == '"':
                self.double_quoted(depth)
            elif char in "$`":
                self.at -= 1
                self.expansion(char, depth)
