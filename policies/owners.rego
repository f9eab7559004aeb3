# Everything that runs says whose it is, so that an alert finds its people.
package owners

import rego.v1

runs := {"Deployment", "StatefulSet", "DaemonSet", "CronJob"}

warn contains {"msg": msg, "path": ["metadata"], "fix": fix} if {
	input.kind in runs
	not input.metadata.labels["app.kubernetes.io/part-of"]
	msg := sprintf("%s `%s` has no label `app.kubernetes.io/part-of`", [input.kind, input.metadata.name])
	fix := "Add the label with the name of the product the team answers for."
}
