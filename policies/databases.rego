# Nobody outside the cluster speaks to a database.
package databases

import rego.v1

ports := {1433, 1521, 3306, 5432, 6379, 9200, 27017}

deny contains {"msg": msg, "path": ["spec", "type"], "why": why, "fix": fix} if {
	input.kind == "Service"
	input.spec.type in {"NodePort", "LoadBalancer"}
	some port in input.spec.ports
	port.port in ports
	msg := sprintf("Service `%s` opens a database's port %d to the world outside the cluster", [input.metadata.name, port.port])
	why := "A database that can be reached can be tried."
	fix := "Use type `ClusterIP`; for people, `kubectl port-forward` is enough."
}
