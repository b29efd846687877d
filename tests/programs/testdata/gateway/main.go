// Command gateway is a worker on the network for the tests: with "serve" it
// answers HTTP on a listener, with "ask" it is a client of a connection. It does
// what Go's packages do by themselves on the way: types of files, local time,
// certificates, copies between connections.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"sallyport/pkg/worker"
)

func main() {
	worker.Run(map[string]func(context.Context, *worker.Worker) error{"serve": serve, "ask": ask}[os.Args[1]])
}

func serve(ctx context.Context, w *worker.Worker) error {
	file, err := w.File("request")
	if err != nil {
		return err
	}
	listener, err := net.FileListener(file)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background()) // Serve says what went wrong
	}()
	if err := w.Ready(); err != nil {
		return err
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// answer sends the body back, or a page whose type it does not know by itself.
func answer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/open":
		_, err := os.Open("/etc/shadow")
		fmt.Fprint(w, err)
	case "/dial":
		_, err := net.Dial("tcp", "127.0.0.1:9")
		fmt.Fprint(w, err)
	case "/echo":
		_, _ = io.Copy(w, r.Body) // the client sees a short answer
	default:
		w.Header().Set("X-Time", time.Now().Local().Format(time.RFC1123))
		http.ServeContent(w, r, "page.odd", time.Now(), bytes.NewReader(bytes.Repeat([]byte("0123456789abcdef"), 1<<14)))
	}
}

func ask(ctx context.Context, w *worker.Worker) error {
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		file, err := w.File("upstream")
		if err != nil {
			return nil, err
		}
		return net.FileConn(file)
	}}}
	if err := w.Ready(); err != nil {
		return err
	}
	return w.Every(ctx, 50*time.Millisecond, func() error {
		got, err := client.Post("http://upstream/", "text/plain", bytes.NewReader(make([]byte, 1<<16)))
		if err != nil {
			return err
		}
		defer got.Body.Close()
		n, err := io.Copy(io.Discard, got.Body)
		w.Logf("upstream: %s, %d bytes, %v", got.Status, n, err)
		return err
	})
}
