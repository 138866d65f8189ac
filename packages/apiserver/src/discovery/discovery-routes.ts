// What kinds there are: the paths that clients ask first.

import { negotiate } from "../output/negotiate.ts";
import { respondBytes, respondJson } from "../output/respond.ts";
import { isNamespace, type Resource } from "../resource.ts";
import type { ResourceRegistry } from "../resource-registry.ts";
import type { Route } from "../router.ts";
import type { ServerState } from "../server-state.ts";
import { aggregatedDiscovery, aggregatedMediaType } from "./aggregated-discovery.ts";
import { scaleKind } from "../verbs/scale.ts";
import { addedVerbs, verbsOf } from "./resource-verbs.ts";
import { openapiRoutes } from "./openapi-routes.ts";
import { versionInfo } from "./version-info.ts";

export function discoveryRoutes(state: ServerState): [string, Route][] {
  const { registry } = state;
  const groups = registry.groups();
  return [
    ["/version", () => respondJson(200, versionInfo)],
    [
      "/api",
      rootRoute(
        () => coreVersions(),
        () => aggregatedDiscovery(state, [""]),
      ),
    ],
    [
      "/apis",
      rootRoute(
        () => groupList(registry),
        () => aggregatedDiscovery(state, groups),
      ),
    ],
    ...["", ...groups].flatMap((group) => groupRoutes(state, group)),
    ...openapiRoutes(state),
  ];
}

/** Plain or aggregated, as Accept asks. */
function rootRoute(plain: () => object, aggregated: () => object): Route {
  const bodies = { plain: JSON.stringify(plain()), aggregated: JSON.stringify(aggregated()) };
  return ({ request }) => {
    const form = negotiate(request.headers["accept"], ["discovery"]);
    return form.kind === "discovery"
      ? respondBytes(200, Buffer.from(bodies.aggregated), aggregatedMediaType)
      : respondBytes(200, Buffer.from(bodies.plain));
  };
}

function coreVersions(): object {
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
}

function groupList(registry: ResourceRegistry): object {
  return { kind: "APIGroupList", apiVersion: "v1", groups: registry.groups().map((name) => groupOf(registry, name)) };
}

function groupOf(registry: ResourceRegistry, name: string): object {
  const versions = registry.versionsOf(name).map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

function groupRoutes(state: ServerState, group: string): [string, Route][] {
  const { registry } = state;
  const root = group === "" ? "/api" : `/apis/${group}`;
  const versions = registry.versionsOf(group).map((version): [string, Route] => {
    const groupVersion = group === "" ? version : `${group}/${version}`;
    const resources = registry
      .all()
      .filter((resource) => resource.group === group && resource.version === version)
      .flatMap((resource) => plainResources(state, resource));
    return [
      `${root}/${version}`,
      () => respondJson(200, { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources }),
    ];
  });
  if (group === "") return versions;
  return [
    ...versions,
    [root, () => respondJson(200, { kind: "APIGroup", apiVersion: "v1", ...groupOf(registry, group) })],
  ];
}

function plainResources(state: ServerState, resource: Resource): object[] {
  const { plural, singular, namespaced, kind, shortNames, categories } = resource;
  return [
    {
      name: plural,
      singularName: singular,
      namespaced,
      kind,
      verbs: state.reviews.find(resource) === undefined ? verbsOf.object : verbsOf.review,
      ...(shortNames.length > 0 && { shortNames }),
      ...(categories.length > 0 && { categories }),
    },
    ...(resource.hasStatus
      ? [{ name: `${plural}/status`, singularName: "", namespaced, kind, verbs: verbsOf.status }]
      : []),
    ...(isNamespace(resource)
      ? [{ name: `${plural}/finalize`, singularName: "", namespaced, kind, verbs: verbsOf.finalize }]
      : []),
    ...(resource.scale === undefined
      ? []
      : [
          {
            name: `${plural}/scale`,
            singularName: "",
            namespaced,
            group: scaleKind.group,
            version: scaleKind.version,
            kind: scaleKind.kind,
            verbs: verbsOf.scale,
          },
        ]),
    ...state.subresources.of(resource.group, plural).map((each) => ({
      name: `${plural}/${each.name}`,
      singularName: "",
      namespaced,
      kind,
      ...each.responseKind,
      verbs: addedVerbs(each),
    })),
  ];
}
