package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"memtrace/tracer/process/target"
)

// namedFlags name allocation functions that memtrace does not know.
type namedFlags struct {
	allocs, reallocs, frees, prefixes, sets []string
	in                                      string
}

func (n *namedFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&n.allocs, "alloc", nil, "trace `FUNC` too, which allocates: NAME, or NAME:SIZEARG with the number of the argument that says how much, or of two as A*B")
	fs.StringArrayVar(&n.reallocs, "realloc", nil, "trace `FUNC` too, which resizes: NAME, or NAME:PTRARG,SIZEARG")
	fs.StringArrayVar(&n.frees, "free", nil, "trace `FUNC` too, which frees: NAME, or NAME:PTRARG")
	fs.StringArrayVar(&n.prefixes, "alloc-prefix", nil, "trace malloc, free and all the like with this `PREFIX` too, such as je_")
	fs.StringVar(&n.in, "in", "", "look for these functions in `OBJECT` alone, a mapped file's path or name")
	fs.StringArrayVar(&n.sets, "allocator", nil, "trace the functions of `NAME` too: "+strings.Join(target.Sets(), ", "))
}

// named returns what the flags name, nil if that is nothing.
func (n *namedFlags) named() (*target.Named, error) {
	named := &target.Named{In: n.in, Prefixes: n.prefixes}
	for _, kind := range []struct {
		flag  string
		specs []string
		parse func(name, arguments string) (target.Function, error)
	}{{"alloc", n.allocs, parseAlloc}, {"realloc", n.reallocs, parseRealloc}, {"free", n.frees, parseFree}} {
		for _, spec := range kind.specs {
			name, arguments, given := strings.Cut(spec, ":")
			f, err := kind.parse(name, arguments)
			if name == "" || given && arguments == "" {
				err = errors.New("give the name of a function, and which of its arguments is which")
			}
			if err != nil {
				return nil, usagef("--%s %s: %w", kind.flag, spec, err)
			}
			if slices.ContainsFunc(named.Functions, func(other target.Function) bool { return other.Name == name }) {
				return nil, usagef("--%s %s: %s is given twice", kind.flag, spec, name)
			}
			named.Functions = append(named.Functions, f)
		}
	}
	if slices.Contains(n.prefixes, "") {
		return nil, usagef("--alloc-prefix: give what the names begin with, such as je_")
	}
	for _, name := range n.sets {
		if !slices.Contains(target.Sets(), name) {
			return nil, usagef("--allocator %s: give %s", name, strings.Join(target.Sets(), ", "))
		}
		named.Functions = append(named.Functions, target.Set(name)...)
	}
	if len(named.Functions)+len(named.Prefixes) > 0 {
		return named, nil
	}
	if n.in != "" {
		return nil, usagef("--in %s says where functions are: name them by --alloc, --realloc, --free, --alloc-prefix or --allocator", n.in)
	}
	return nil, nil
}

func parseAlloc(name, arguments string) (f target.Function, err error) {
	size, count, err := parseSize(arguments, 1)
	return target.NewAllocator(name, size, count), err
}

func parseFree(name, arguments string) (f target.Function, err error) {
	block, err := parseArgument(arguments, 1)
	return target.NewFree(name, block), err
}

func parseRealloc(name, arguments string) (f target.Function, err error) {
	first, second, both := strings.Cut(arguments, ",")
	if arguments != "" && !both {
		return f, errors.New("give the number of the block's argument and that of the size's, as 1,2")
	}
	block, err := parseArgument(first, 1)
	size, count, sizeErr := parseSize(second, 2)
	return target.NewRealloc(name, block, size, count), errors.Join(err, sizeErr)
}

// parseSize parses the number of an argument, or those of two that are multiplied. An empty text
// means the usual one.
func parseSize(text string, usual int) (size, count int, err error) {
	first, second, product := strings.Cut(text, "*")
	if !product {
		size, err = parseArgument(text, usual)
		return size, 0, err
	}
	if size, err = parseArgument(first, 0); err == nil {
		count, err = parseArgument(second, 0)
	}
	return size, count, err
}

func parseArgument(text string, usual int) (int, error) {
	if text == "" && usual > 0 {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > target.MaxArguments {
		return 0, fmt.Errorf("%q is not the number of an argument: give 1 to %d", text, target.MaxArguments)
	}
	return n, nil
}

// explainNotFound makes a usage error of one that says that a function is not there, with the
// functions that may be meant.
func explainNotFound(err error) error {
	var e *target.NotFoundError
	if !errors.As(err, &e) {
		return err
	}
	text := e.Error()
	if meant := nearest(e.Names[0], e.Others); meant != "" {
		text += ": did you mean " + meant + "?"
	} else if alike := containing(e.Names[0], e.Others); len(alike) > 0 {
		text += ": there are " + strings.Join(alike, ", ")
	}
	return usagef("%s", text)
}

// containing returns a few of the names that have the word in them, or are in it.
func containing(word string, names []string) (alike []string) {
	const most, shortest = 3, 4
	for _, name := range names {
		if strings.Contains(name, word) || len(name) >= shortest && strings.Contains(word, name) {
			alike = append(alike, name)
		}
	}
	slices.Sort(alike)
	alike = slices.Compact(alike)
	return alike[:min(len(alike), most)]
}
