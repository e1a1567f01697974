// Command picture runs a command in a terminal and draws what is on its screen, for the documents:
//
//	picture -o FILE [-size 80x24] [-after 12s] [-keys KEYS] [-label TEXT] COMMAND ARGS…
//
// The keys are sent at half of the time.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"memtrace/tracer/testsupport/terminal"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	var (
		out     = flag.String("o", "", "write the picture to `FILE`")
		size    = flag.String("size", "80x24", "columns and rows")
		after   = flag.Duration("after", 12*time.Second, "when the picture is taken")
		keys    = flag.String("keys", "", "keys to send at half of the time, as in a Go string")
		endKeys = flag.String("end", "q", "keys that end the command")
		label   = flag.String("label", "A terminal", "what the picture shows")
	)
	flag.Parse()
	var columns, rows int
	if _, err := fmt.Sscanf(*size, "%dx%d", &columns, &rows); err != nil || flag.NArg() == 0 || *out == "" {
		return fmt.Errorf("usage: picture -o FILE [-size 80x24] COMMAND ARGS")
	}
	typed, err := strconv.Unquote(`"` + *keys + `"`)
	if err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	t, err := terminal.Start(exec.Command(flag.Arg(0), flag.Args()[1:]...), columns, rows)
	if err != nil {
		return err
	}
	time.Sleep(*after / 2)
	if err := t.Type(typed); err != nil {
		return err
	}
	time.Sleep(*after / 2)
	file, err := os.Create(*out)
	if err != nil {
		return err
	}
	err = t.SVG(file, *label)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if typeErr := t.Type(*endKeys); err == nil {
		err = typeErr
	}
	const patience = 30 * time.Second
	if endErr := t.Wait(patience); err == nil {
		err = endErr
	}
	return err
}
