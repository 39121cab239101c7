// What is copied from the module cache and changed in two places before Traefik is built; go.sum here holds their checksums.
module hearth.local/traefik-sources

go 1.24.0

require (
	github.com/go-acme/lego/v4 v4.23.1
	github.com/traefik/traefik/v3 v3.5.0
)
