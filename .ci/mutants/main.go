// Command mutants breaks the gateway on purpose, one break at a time, and requires
// that a test notices each. The breaks are those of mutants.yaml; each is made in a
// copy of the tree, never in place. Run it from the root: go run ./.ci/mutants
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

// Mutant is one break.
type Mutant struct {
	Name    string
	File    string
	Find    string // stands in the file exactly once
	Replace string
	Package string // whose tests should notice
	Test    string // pattern of those that should
}

// verdict is what came of a break.
type verdict string

const (
	caught    verdict = "caught"
	survived  verdict = "NOT CAUGHT"
	unbuilt   verdict = "DOES NOT BUILD"
	unmatched verdict = "TEXT NOT FOUND ONCE"
	unclear   verdict = "NO TEST FAILED, AND NONE PASSED"
)

func main() {
	only := flag.String("only", "", "make only the breaks whose name matches this pattern")
	workers := flag.Int("workers", 2, "how many to try at a time")
	match := flag.Bool("match", false, "make none; only see that each break still finds its place")
	flag.Parse()
	if *match {
		if err := matchAll(*only); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	start := time.Now()
	missed, tried, err := run(ctx, *only, *workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d of %d breaks were caught, in %s\n", tried-missed, tried, time.Since(start).Round(time.Second))
	if missed > 0 || tried == 0 {
		os.Exit(1)
	}
}

// run tries the chosen breaks and tells how many were not caught.
func run(ctx context.Context, only string, workers int) (missed, tried int, err error) {
	mutants, err := read(only)
	if err != nil {
		return 0, 0, err
	}
	copies, remove, err := copyTree(workers)
	defer remove()
	if err != nil {
		return 0, 0, fmt.Errorf("copying the tree: %w", err)
	}
	if err := unbroken(ctx, copies[0], mutants); err != nil {
		return 0, 0, err
	}
	queue := make(chan Mutant)
	var group sync.WaitGroup
	var mu sync.Mutex
	for _, dir := range copies {
		group.Go(func() {
			for m := range queue {
				result, said := try(ctx, dir, m)
				mu.Lock()
				missed += report(m, result, said)
				mu.Unlock()
			}
		})
	}
	for _, m := range mutants {
		if ctx.Err() == nil {
			queue <- m
		}
	}
	close(queue)
	group.Wait()
	return missed, len(mutants), ctx.Err()
}

// matchAll tells of the first break whose text does not stand once where it should.
func matchAll(only string) error {
	mutants, err := read(only)
	if err != nil {
		return err
	}
	for _, m := range mutants {
		if _, found := m.find("."); !found {
			return fmt.Errorf("%s: what the break %q is to replace does not stand there once", m.File, m.Name)
		}
	}
	return nil
}

// find reads the file to break, and tells whether the place is there once.
func (m Mutant) find(dir string) (whole string, found bool) {
	content, err := os.ReadFile(filepath.Join(dir, m.File))
	return string(content), err == nil && strings.Count(string(content), m.Find) == 1
}

func read(only string) (chosen []Mutant, err error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("reading -only: %w", err)
	}
	text, err := os.ReadFile(".ci/mutants/mutants.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the breaks, from the root of the repository: %w", err)
	}
	var all []Mutant
	if err := yaml.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("reading the breaks: %w", err)
	}
	for _, m := range all {
		if pattern.MatchString(m.Name) {
			chosen = append(chosen, m)
		}
	}
	return chosen, nil
}

// copyTree makes a copy of the tree for each worker.
func copyTree(workers int) (dirs []string, remove func(), err error) {
	root, err := os.MkdirTemp("", "fieldgate-mutants-")
	remove = func() { _ = os.RemoveAll(root) }
	for i := 0; i < workers && err == nil; i++ {
		dir := filepath.Join(root, fmt.Sprint(i))
		dirs = append(dirs, dir)
		err = copyFiles(dir)
	}
	return dirs, remove, err
}

// copyFiles copies what the build and the tests need, in a directory.
func copyFiles(to string) error {
	return filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules" || path == "bin"):
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), content, 0o644)
	})
}

// tries is how often the tests may be run to see them pass on a busy machine.
const tries = 3

// unbroken requires that the tests pass as long as nothing is broken: what fails
// anyway catches nothing.
func unbroken(ctx context.Context, dir string, mutants []Mutant) error {
	patterns := map[string][]string{}
	for _, m := range mutants {
		patterns[m.Package] = append(patterns[m.Package], m.Test)
	}
	for pkg, tests := range patterns {
		said, err := "", errors.New("not tried")
		for i := 0; i < tries && err != nil && ctx.Err() == nil; i++ {
			said, err = test(ctx, dir, pkg, strings.Join(tests, "|"))
		}
		if err != nil {
			return fmt.Errorf("the tests of %s fail although nothing is broken: %s", pkg, said)
		}
	}
	return nil
}

// try makes a break in a copy, runs its tests, and takes the break back.
func try(ctx context.Context, dir string, m Mutant) (verdict, string) {
	file := filepath.Join(dir, m.File)
	whole, found := m.find(dir)
	if !found {
		return unmatched, ""
	}
	defer os.WriteFile(file, []byte(whole), 0o644)
	broken := strings.Replace(whole, m.Find, m.Replace, 1)
	if err := os.WriteFile(file, []byte(broken), 0o644); err != nil {
		return unmatched, err.Error()
	}
	said, err := test(ctx, dir, m.Package, m.Test)
	switch {
	case err == nil:
		return survived, said
	case strings.Contains(said, "[build failed]"), strings.Contains(said, "[setup failed]"), strings.Contains(said, "user_script:"):
		return unbuilt, said
	case ctx.Err() == nil && noticed.MatchString(said):
		return caught, said
	}
	return unclear, said
}

// test runs tests and gives what they said.
func test(ctx context.Context, dir, pkg, pattern string) (string, error) {
	// Without the path of the copy and what a debugger needs, the build is the same
	// in all copies, and quick.
	cmd := exec.CommandContext(ctx, "go", "test", "-trimpath", "-ldflags=-s -w",
		"-count=1", "-failfast", "-vet=off", "-timeout=120s", "-run", pattern, pkg)
	cmd.Dir = dir
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// noticed finds the test that failed, or that one ended the whole program.
var noticed = regexp.MustCompile(`--- FAIL: (\S+)|panic: `)

func report(m Mutant, result verdict, said string) (missed int) {
	by := ""
	if found := noticed.FindStringSubmatch(said); found != nil && result == caught {
		by = " by " + cmp.Or(found[1], "a panic")
	}
	fmt.Printf("%-20s %s%s\n", result, m.Name, by)
	if result == caught {
		return 0
	}
	if result == unbuilt || result == unclear {
		fmt.Println(said)
	}
	return 1
}
