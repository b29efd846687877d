package scmrights

// Leave keeps Close from saying BYE: somebody else speaks on this channel now.
func (c *Conn) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = phaseBye
}
