package worker

// What the tests drive instead of a process of its own.
var (
	RunOn  = run
	Harden = harden
)

// Loop is one loop of a Pulse.
type Loop struct {
	p *pulse
	l *turns
}

type Pulse struct{ p pulse }

func (p *Pulse) Begin() Loop  { return Loop{&p.p, p.p.begin()} }
func (p *Pulse) Beats() bool  { return p.p.beats() }
func (p *Pulse) Wait(n int32) { p.p.waits.Add(n) }
func (l Loop) Plugin()        { l.l.plugin() }
func (l Loop) End()           { l.p.end(l.l) }
