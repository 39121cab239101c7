// Package fieldpath has what the provider imports of version 4, as version 6 has it, which the libraries around it use.
package fieldpath

import "sigs.k8s.io/structured-merge-diff/v6/fieldpath"

type (
	// Path is a place in an object.
	Path = fieldpath.Path
	// Set is some places in an object.
	Set = fieldpath.Set
)

// MakePath makes a path out of its parts.
var MakePath = fieldpath.MakePath
