// Pulumi's Kubernetes provider. Its own main embeds two files that its Makefile writes, and its module lacks; those that
// are embedded here are written by lab/kubernetes/provider_build.py, from what the module has.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var mapping []byte

func main() {
	provider.Serve("kubernetes", version.Version, schema, mapping)
}
