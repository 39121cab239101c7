// Package v2 has the one function that the provider uses of its SDK's package of this name, for objects of any kind.
// There it is a table with a generated type for each kind, of 63 packages, which take ten times as long to compile as
// all else; what the engine is told is the same: a type's name follows from version and kind.
package v2

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

type object struct {
	pulumi.CustomResourceState
}

// RegisterResource registers an object under the name of the provider's type for it.
func RegisterResource(ctx *pulumi.Context, apiVersion, kind, name string, props pulumi.Input,
	opts ...pulumi.ResourceOption) (pulumi.CustomResource, error) {
	group := apiVersion
	if !strings.Contains(group, "/") {
		group = "core/" + group
	}
	var made object
	err := ctx.RegisterResource(fmt.Sprintf("kubernetes:%s:%s", group, kind), name, props, &made, opts...)
	if err != nil {
		return nil, err
	}
	return &made, nil
}
