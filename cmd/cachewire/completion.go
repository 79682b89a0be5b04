package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/cachewire/cachewire/core"
)

// The scripts call cachewire __complete with the words before the one to complete. It prints
// the words that may follow, and the shell keeps those that fit. A colon separates words in
// bash, so that there a URL is completed from its last colon on only by the file names.
var completions = map[string]string{
	"bash": `_cachewire() {
	local IFS=$'\n'
	COMPREPLY=($(compgen -W "$(cachewire __complete "${COMP_WORDS[@]:1:COMP_CWORD-1}")" \
		-- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _cachewire cachewire
`,
	"zsh": `#compdef cachewire
_cachewire() {
	local -a replies
	replies=("${(@f)$(cachewire __complete "${(@)words[2,CURRENT-1]}")}")
	compadd -a replies || _files
}
compdef _cachewire cachewire
`,
	"fish": `function __cachewire_replies
	cachewire __complete (commandline -opc)[2..]
end
complete -c cachewire -n 'count (__cachewire_replies) >/dev/null' -f -a '(__cachewire_replies)'
`,
}

func newCompletion(t *tool) *command {
	c := newCommand("completion", "bash|zsh|fish", "print a script that completes command lines",
		"source <(cachewire completion bash)      # in ~/.bashrc\n"+
			"source <(cachewire completion zsh)       # in ~/.zshrc, after compinit\n"+
			"cachewire completion fish | source       # in ~/.config/fish/config.fish")
	c.run = func(_ context.Context, args []string) error {
		if len(args) != 1 || completions[args[0]] == "" {
			return wrongUse("which shell? Want bash, zsh or fish")
		}
		if c.json {
			return t.printJSON(map[string]string{"script": completions[args[0]]})
		}
		_, err := fmt.Fprint(t.stdout, completions[args[0]])
		return err
	}
	return c
}

// complete prints the words that may follow args: commands, or the flags and schemes of a
// command.
func (t *tool) complete(args []string) {
	for _, newCommand := range commands {
		c := newCommand(t)
		switch {
		case len(args) == 0:
			fmt.Fprintln(t.stdout, c.name)
		case c.name != args[0]:
		case c.name == "completion" && len(args) == 1:
			fmt.Fprint(t.stdout, "bash\nzsh\nfish\n")
		default:
			if strings.Contains(c.args, "URL") && len(args) == 1 {
				for _, scheme := range core.Drivers() {
					fmt.Fprintln(t.stdout, scheme+"://")
				}
			}
			c.flags.VisitAll(func(f *flag.Flag) { fmt.Fprintln(t.stdout, "-"+f.Name) })
		}
	}
}
