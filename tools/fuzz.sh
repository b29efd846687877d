#!/bin/sh
# Runs every fuzzer of the packages given, one after the other, each for TIME
# (else 60s), and adds a block for each to the file named by RESULTS, if any.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
TIME=${TIME:-60s}

# ended LOG: the run failed by nothing but its own end. When TIME is over while a
# fuzzer is at an input, the go command before 1.27 can take that for a failure
# (golang/go issue 75804). One that was found says where its input was written.
ended() {
	grep -qx '    context deadline exceeded' "$1" && ! grep -Eq 'Failing input|panic:|_test\.go:' "$1"
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=
for package in "$@"; do
	for fuzzer in $("$GO" test -list '^Fuzz' "$package" | grep '^Fuzz'); do
		status=ok
		"$GO" test -run '^$' -fuzz "^$fuzzer\$" -fuzztime "$TIME" "$package" >"$log" 2>&1 || ended "$log" || status=FAILED
		last=$(grep -E 'execs: [0-9]+' "$log" | tail -n 1)
		execs=$(printf '%s' "$last" | sed -E 's/.*execs: ([0-9]+).*/\1/')
		elapsed=$(printf '%s' "$last" | sed -E 's/.*elapsed: ([^,]+),.*/\1/')
		printf '%-6s %-24s %-18s %s inputs in %s\n' "$status" "$package" "$fuzzer" "${execs:-0}" "${elapsed:-$TIME}"
		if [ "$status" != ok ]; then
			failed="$failed $fuzzer"
			tail -n 40 "$log"
		fi
		if [ -n "${RESULTS:-}" ]; then
			"$GO" run ./tests/results/cmd "$RESULTS" "make fuzz TIME=$TIME" \
				package "$package" fuzzer "$fuzzer" took "${elapsed:-$TIME}" inputs "${execs:-0}" outcome "$status"
		fi
	done
done
if [ -n "$failed" ]; then
	echo "failed:$failed (the inputs are in testdata/fuzz)"
	exit 1
fi
