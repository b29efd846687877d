package sysvctl

// Interruptible lets a test make the way into a blocking call longer.
var Interruptible = interruptible
