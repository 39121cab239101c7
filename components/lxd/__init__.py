"""The LXD cluster: the component, and the files that it lays on machines, each as a pure function."""
