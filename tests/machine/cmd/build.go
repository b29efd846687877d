package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sallyport/tests/machine"
)

const module = "sallyport"

// image is what qemu boots.
type image struct{ kernel, dtb, initramfs string }

// build makes the initramfs of a machine in dir, where kernels/ARCH holds the
// unpacked package of its kernel.
func build(k kind, dir string) (image, error) {
	root := filepath.Join(dir, "kernels", k.debian)
	kernels, _ := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if len(kernels) != 1 {
		return image{}, fmt.Errorf("%s holds %d kernels, want one: tools/machine.sh fetches it", root, len(kernels))
	}
	release := strings.TrimPrefix(filepath.Base(kernels[0]), "vmlinuz-")
	img := image{kernel: kernels[0], initramfs: filepath.Join(dir, k.name+".cpio")}
	if k.dtb != "" {
		img.dtb = filepath.Join(root, "usr/lib/linux-image-"+release, k.dtb)
	}
	f, err := os.Create(img.initramfs)
	if err != nil {
		return image{}, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	a := newArchive(w)
	if err := fill(a, k, dir, filepath.Join(root, "lib/modules", release)); err != nil {
		return image{}, err
	}
	if err := a.close(); err != nil {
		return image{}, err
	}
	return img, w.Flush()
}

func fill(a *archive, k kind, dir, modules string) error {
	var plan strings.Builder
	for _, m := range k.modules {
		name, parameters, _ := strings.Cut(m, " ")
		if err := host(a, "/modules/"+path.Base(name), filepath.Join(modules, name)); err != nil {
			return err
		}
		fmt.Fprintf(&plan, "module /modules/%s %s\n", path.Base(name), parameters)
	}
	for _, e := range append([]string{"SALLYPORT_MACHINE=" + k.name}, k.env...) {
		fmt.Fprintf(&plan, "env %s\n", e)
	}
	out := filepath.Join(dir, k.name)
	if err := compile(k, filepath.Join(out, "guest"), "build", "", "tests/machine/guest"); err != nil {
		return err
	}
	if err := host(a, "/init", filepath.Join(out, "guest")); err != nil {
		return err
	}
	for _, pkg := range k.build {
		if err := compile(k, filepath.Join(out, path.Base(pkg)), "build", "", pkg); err != nil {
			return err
		}
		if err := host(a, product+path.Base(pkg), filepath.Join(out, path.Base(pkg))); err != nil {
			return err
		}
	}
	for _, f := range k.files {
		if err := host(a, f.to, first(f.from)); err != nil {
			return err
		}
	}
	for _, b := range k.tests {
		file := strings.ReplaceAll(b.pkg, "/", "-") + ".test"
		if err := compile(k, filepath.Join(out, file), "test", b.tags, b.pkg); err != nil {
			return err
		}
		if err := host(a, "/tests/"+file, filepath.Join(out, file)); err != nil {
			return err
		}
		if err := tree(a, "/src/"+b.pkg, b.pkg, "testdata"); err != nil {
			return err
		}
		args := append([]string{"-test.v=test2json", "-test.count=1"}, b.args...)
		fmt.Fprintf(&plan, "test %s /src/%s /tests/%s %s\n", b.pkg, b.pkg, file, strings.Join(args, " "))
	}
	a.file(machine.Plan, []byte(plan.String()))
	return tree(a, "/src/docs", "docs", "results") // some tests compare with a document
}

// compile builds a program or a test binary, static and small.
func compile(k kind, out, verb, tags, pkg string) error {
	args := []string{verb, "-o", out, "-trimpath", "-ldflags=-s -w", "-tags=" + tags}
	if verb == "test" {
		args = append(args, "-c", "-vet=off")
	}
	cmd := exec.Command(goCommand(), append(args, module+"/"+pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+k.goarch, "GOARM=7")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s %s for %s: %w\n%s", verb, pkg, k.goarch, err, text)
	}
	return nil
}

func goCommand() string {
	if g := os.Getenv("GO"); g != "" {
		return g
	}
	return "go"
}

// first gives the first file that there is, else the last, which is then missed.
func first(files []string) string {
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			return f
		}
	}
	return files[len(files)-1]
}

// host adds a file of this machine.
func host(a *archive, name, file string) error {
	content, err := os.ReadFile(file)
	if err == nil {
		a.file(name, content)
	}
	return err
}

// tree adds a directory with its documents, and those of its folders that are
// named, whole.
func tree(a *archive, to, from string, folders ...string) error {
	a.dir(to)
	return filepath.WalkDir(from, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		top, _, _ := strings.Cut(below, "/")
		switch wanted := below == "." || slices.Contains(folders, top); {
		case e.IsDir() && !wanted:
			return fs.SkipDir
		case e.Type().IsRegular() && (wanted || path.Ext(below) == ".md"):
			return host(a, path.Join(to, below), file)
		}
		return nil
	})
}
