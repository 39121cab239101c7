"""The lab's Kubernetes cluster: Kubernetes' own programs on lab machines. See docs/lab.md."""
