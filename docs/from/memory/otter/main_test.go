package main

import (
	"testing"

	"github.com/cachewire/cachewire/docs/from/internal/fromtest"
)

func TestMainPrintsTheOutputOfThePage(t *testing.T) { fromtest.Prints(t, main) }
