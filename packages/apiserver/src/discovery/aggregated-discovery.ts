// All groups, versions and kinds in one answer (apidiscovery.k8s.io/v2), so that clients need no call per group.

import { isNamespace, type Resource } from "../resource.ts";
import type { ServerState } from "../server-state.ts";
import { scaleKind } from "../verbs/scale.ts";
import { addedVerbs, verbsOf } from "./resource-verbs.ts";

export const aggregatedMediaType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

export function aggregatedDiscovery(state: ServerState, groups: readonly string[]): object {
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: groups.map((group) => ({
      metadata: group === "" ? { creationTimestamp: null } : { name: group, creationTimestamp: null },
      versions: state.registry.versionsOf(group).map((version) => ({
        version,
        freshness: "Current",
        resources: state.registry
          .all()
          .filter((resource) => resource.group === group && resource.version === version)
          .map((resource) => discoveryOf(state, resource)),
      })),
    })),
  };
}

function discoveryOf(state: ServerState, resource: Resource): object {
  const { group, version, plural, singular, kind, shortNames, categories } = resource;
  const responseKind = { group, version, kind };
  const subresources = [
    ...(resource.hasStatus ? [{ subresource: "status", responseKind, verbs: verbsOf.status }] : []),
    ...(isNamespace(resource) ? [{ subresource: "finalize", responseKind, verbs: verbsOf.finalize }] : []),
    ...(resource.scale === undefined ? [] : [{ subresource: "scale", responseKind: scaleKind, verbs: verbsOf.scale }]),
    ...state.subresources.of(group, plural).map((each) => ({
      subresource: each.name,
      responseKind: each.responseKind ?? responseKind,
      verbs: addedVerbs(each),
    })),
  ];
  return {
    resource: plural,
    responseKind,
    scope: resource.namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs: state.reviews.find(resource) === undefined ? verbsOf.object : verbsOf.review,
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(subresources.length > 0 && { subresources }),
  };
}
