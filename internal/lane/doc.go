// Package lane is the endpoint half of the bus: what a worker does with the
// queues that the supervisor made for it, and the words in which the two speak
// about it.
//
// A lane is one System V queue for one sender, one receiver and one urgency.
// Sender puts each reading into the routine lane and each alert into the urgent
// lane of every receiver that subscribed to its band, and rings the receiver's
// bell. Receiver empties urgent lanes before routine lanes and takes the lowest
// message type of a lane first; it checks that a frame was sent by the worker
// that the lane belongs to, finds gaps in the sequence numbers, drops what came
// twice, and acknowledges each alert on a return lane. An alert that is not
// acknowledged is sent again from an outbox, so that it takes effect at least
// once or is reported lost.
//
// message.go and start.go hold the wire types of the layer above the hand-over
// channel, which the supervisor and the worker library share.
//
// The package creates no queue and changes no permission: that is package bus.
// Programs outside this module use pkg/worker, which is built on this.
package lane
