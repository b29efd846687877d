package sys_test

import (
	"os"
	"testing"

	"sallyport/internal/testenv/ipcactor"
)

func TestMain(m *testing.M) {
	ipcactor.Main()
	os.Exit(m.Run())
}
