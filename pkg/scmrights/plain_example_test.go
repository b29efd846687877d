package scmrights_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"sallyport/pkg/scmrights"
)

// A program passes two files over a connection of package net, with a header and
// a body that lie in different buffers.
func ExampleSocket() {
	receiver, sender, err := connection()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer receiver.Close()
	defer sender.Close()

	f, err := os.Open("testdata/vectors.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	packet := scmrights.Packet{Data: [][]byte{[]byte("two files: "), []byte("vectors, vectors")}}
	packet.Files = append(packet.Files, f, f)
	n, err := sender.Send(packet)
	f.Close() // the kernel holds it until it is received
	fmt.Println(n, err)

	text := make([]byte, 64)
	d, err := receiver.Receive(scmrights.Room{Data: [][]byte{text}, Files: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q with %d files\n", text[:d.N], len(d.Files))
	for _, f := range d.Files {
		head := make([]byte, 12)
		n, err := io.ReadFull(f, head)
		fmt.Printf("%q %v\n", head[:n], err) // both have one offset
		f.Close()
	}
	// Output:
	// 27 <nil>
	// "two files: vectors, vectors" with 2 files
	// "# handover/1" <nil>
	// ", byte for b" <nil>
}

// A receiver that has no room says so to nobody but itself: the sender has
// succeeded.
func ExampleTruncation() {
	receiver, sender, err := connection()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer receiver.Close()
	defer sender.Close()
	packet := scmrights.Packet{Data: [][]byte{[]byte("take this")}}
	packet.Files = append(packet.Files, os.Stdin, os.Stdin, os.Stdin)
	if _, err := sender.Send(packet); err != nil {
		fmt.Println(err)
		return
	}
	d, err := receiver.Receive(scmrights.Room{Data: [][]byte{make([]byte, 64)}, Files: 2})
	var cut *scmrights.Truncation
	fmt.Println(errors.As(err, &cut), err, d.Files)
	// Output:
	// true scmrights: receive: descriptors were lost; 2 had come and were closed []
}

// connection makes the two ends of a connection as a server and a client do.
func connection() (receiver, sender *scmrights.Socket, err error) {
	listener, err := net.Listen("unix", fmt.Sprintf("@example-%d", os.Getpid()))
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	client, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	server, err := listener.Accept()
	if err != nil {
		return nil, nil, err
	}
	if receiver, err = scmrights.NewSocket(server.(*net.UnixConn)); err != nil {
		return nil, nil, err
	}
	sender, err = scmrights.NewSocket(client.(*net.UnixConn))
	return receiver, sender, err
}
