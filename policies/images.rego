# Images come from registries the organisation trusts.
package images

import rego.v1

deny contains {"msg": msg, "path": array.concat(path, ["image"]), "fix": fix} if {
	some [path, container] in containers
	not trusted(container.image)
	msg := sprintf("image `%s` comes from a registry that is not on the list", [container.image])
	fix := "Use an image of a listed registry, or add the registry to `policies/images/allowed.yaml`."
}

# Names without a host are Docker Hub's.
trusted(image) if {
	some registry in data.images.registries
	startswith(image, sprintf("%s/", [registry]))
}

containers contains [["spec", "template", "spec", kind, index], container] if {
	some kind in ["containers", "initContainers"]
	some index, container in input.spec.template.spec[kind]
}

containers contains [["spec", kind, index], container] if {
	input.kind == "Pod"
	some kind in ["containers", "initContainers"]
	some index, container in input.spec[kind]
}
