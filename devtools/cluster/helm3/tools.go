//go:build tools

// Names the program this module builds: helm 3, for the charts' tests.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
