// Answers as YAML that readers of version 1.1 understand too, as kubectl and most of Kubernetes' tools are: for them a bare `On`, `no` or
// 12:30 is no text.

import { stringify } from "yaml";

export function toYaml(value: object): string {
  return stringify(value, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false });
}
