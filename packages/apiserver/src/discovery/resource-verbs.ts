// The verbs that discovery names.

export const verbsOf = {
  object: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
  status: ["get", "patch", "update"],
  scale: ["get", "patch", "update"],
  /** Subresources that the composition root adds: read or connected to. */
  added: ["get"],
} as const;
