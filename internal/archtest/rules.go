package archtest

// A Rule is one sentence of the architecture. Check returns a line for every
// place that breaks it. Needs names the folders it speaks about: where one is
// not there, the rule has nothing to judge.
type Rule struct {
	Name  string
	Needs []string
	Check func(*Module) ([]string, error)
}

// Rules are all of them.
var Rules = []Rule{
	{"public-imports", nil, publicImports},
	{"public-signatures", []string{"pkg/scmrights", "pkg/sysvctl", "pkg/worker"}, publicSignatures},
	{"unsafe-in-sys", nil, unsafeInSys},
	{"cgo-in-scmp", nil, cgoInSCMP},
	{"actors-and-logging", nil, actorsAndLogging},
	{"vague-names", nil, vagueNames},
	{"file-lengths", nil, fileLengths},
	{"doc-files", nil, docFiles},
	{"foreign-words", nil, foreignWords},
	{"worker-closure", []string{"cmd/worker", "pkg/worker"}, workerClosure},
	{"supervisor-closure", []string{"cmd/supervisor"}, supervisorClosure},
	{"supervisor-calls", []string{"cmd/supervisor"}, supervisorCalls},
	{"layout-document", nil, layoutDocument},
}
