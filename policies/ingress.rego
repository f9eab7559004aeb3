# In production nobody is answered without TLS.
package ingress

import rego.v1

deny contains {"msg": msg, "path": ["spec", "rules", index, "host"], "fix": fix} if {
	data.trunkline.environment.class == "prod"
	input.kind == "Ingress"
	some index, rule in input.spec.rules
	not covered(rule.host)
	msg := sprintf("host `%s` of Ingress `%s` has no TLS", [rule.host, input.metadata.name])
	fix := "List the host under `spec.tls[].hosts`."
}

covered(host) if {
	some tls in input.spec.tls
	host in tls.hosts
}

# A wildcard covers one label.
covered(host) if {
	some tls in input.spec.tls
	some wildcard in tls.hosts
	startswith(wildcard, "*.")
	substring(wildcard, 1, -1) == substring(host, indexof(host, "."), -1)
}
