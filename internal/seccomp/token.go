package seccomp

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd     tokenKind = iota // the end of the file
	tokenNewline                  // a newline or a semicolon
	tokenName                     // read, O_RDONLY
	tokenNumber                   // 12, 0x1f, 0o644
	tokenVar                      // $frames
	tokenGroup                    // @go-runtime
	tokenPunct                    // : { } ( ) , == != && || & | ~ -
)

// token is one word of a profile; offset is where it begins in the source.
type token struct {
	kind   tokenKind
	text   string
	pos    Pos
	offset int
}

// words cuts a profile into tokens. Comments go from # to the end of the line.
func words(file, src string, problems *Problems) []token {
	var out []token
	line, lineStart := 1, 0
	for i := 0; i < len(src); {
		pos := Pos{file, line, i - lineStart + 1}
		n, kind := 1, tokenPunct
		switch c := src[i]; {
		case c == '\n':
			kind = tokenNewline
			line, lineStart = line+1, i+1
		case c == ';':
			kind = tokenNewline
		case c == ' ' || c == '\t' || c == '\r':
			i++
			continue
		case c == '#':
			i += len(upTo(src[i:], "\n"))
			continue
		case isLetter(c):
			n, kind = run(src[i:], isNameByte), tokenName
		case c >= '0' && c <= '9':
			n, kind = run(src[i:], isNameByte), tokenNumber
		case c == '$':
			n, kind = 1+run(src[i+1:], isNameByte), tokenVar
		case c == '@':
			n, kind = 1+run(src[i+1:], isGroupByte), tokenGroup
		default:
			n = punct(src[i:])
			if n == 0 {
				_, n = utf8.DecodeRuneInString(src[i:])
				problems.add(pos, "a profile is made of calls, conditions and blocks in plain ASCII", "", "unexpected character %s", quote(src[i:i+n]))
				i += n
				continue
			}
		}
		out = append(out, token{kind, src[i : i+n], pos, i})
		i += n
	}
	return append(out, token{tokenEnd, "", Pos{file, line, len(src) - lineStart + 1}, len(src)})
}

func punct(s string) int {
	for _, p := range []string{"==", "!=", "&&", "||"} {
		if strings.HasPrefix(s, p) {
			return 2
		}
	}
	if strings.IndexByte(":{}(),&|~-<>=!", s[0]) >= 0 {
		return 1
	}
	return 0
}

func run(s string, member func(byte) bool) int {
	n := 0
	for n < len(s) && member(s[n]) {
		n++
	}
	return n
}

func isLetter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
func isNameByte(c byte) bool  { return isLetter(c) || c >= '0' && c <= '9' }
func isGroupByte(c byte) bool { return isNameByte(c) || c == '-' }

func upTo(s, mark string) string {
	before, _, _ := strings.Cut(s, mark)
	return before
}
