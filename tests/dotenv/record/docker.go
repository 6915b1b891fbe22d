// Records what the docker CLI (`--env-file`) and docker compose (`.env`, `env_file`) read of every
// shape, with their own packages, in an empty environment. How to run: README.md.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/docker/cli/pkg/kvfile"
)

func main() {
	bytes, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var shapes []struct{ Name, Text string }
	if err := json.Unmarshal(bytes, &shapes); err != nil {
		panic(err)
	}
	readers := map[string]func(string) (map[string]string, error){"docker": docker, "compose": compose}
	read := readers[os.Args[2]]
	fmt.Printf("{\"version\": %s,\n\"read\": {\n", text(os.Args[3]))
	for at, shape := range shapes {
		if at > 0 {
			fmt.Print(",\n")
		}
		values, err := read(shape.Text)
		if err != nil {
			fmt.Printf("%s: \"refused\"", text(shape.Name))
		} else {
			fmt.Printf("%s: %s", text(shape.Name), text(values))
		}
	}
	fmt.Print("\n}}\n")
}

// A container gets the last of two lines with one name.
func docker(text string) (map[string]string, error) {
	lines, err := kvfile.ParseFromReader(strings.NewReader(text), os.LookupEnv)
	values := map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		values[name] = value
	}
	return values, err
}

func compose(text string) (map[string]string, error) {
	return dotenv.ParseWithLookup(strings.NewReader(text), os.LookupEnv)
}

func text(value any) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return strings.TrimSpace(out.String())
}
