// YAML for kubectl, which reads version 1.1: there a bare `On` or `no` is a boolean, and an enum of "On" and "Off" would become
// one of true and false.

import { stringify } from "yaml";

export function toKubernetesYaml(value: unknown): string {
  return stringify(value, { version: "1.1", lineWidth: 120, aliasDuplicateObjects: false });
}
