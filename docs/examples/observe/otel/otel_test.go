package main

import (
	"strings"
	"testing"
)

func TestTheProgramExportsMetricsAndSpans(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Ann\n", `"db.client.operation.duration"`, `"cachewire.backend.items"`, `"Get users"`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output has no %s:\n%s", want, &out)
		}
	}
}
