// What is copied in part from the module cache before the provider is built; go.sum here holds its checksum.
module hearth.local/provider-sources

go 1.26.0

require github.com/pulumi/pulumi-kubernetes/sdk/v4 v4.22.2
