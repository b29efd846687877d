package scmrights

// AnswerTo is what a Socket says to an errno of sendmsg(2).
func AnswerTo(errno error) error { return answer("sendmsg", errno) }
