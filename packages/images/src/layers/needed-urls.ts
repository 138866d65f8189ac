// What has to answer for a recipe to work: downloads that it names, and its package repositories. Pure.

import type { Recipe } from "@vivarium/api";

export function neededUrls({ reachable = [], repositories = [] }: Recipe): readonly string[] {
  return [...reachable, ...repositories.map(releaseUrlOf)];
}

type Repository = NonNullable<Recipe["repositories"]>[number];

/** What apt asks for first. */
function releaseUrlOf({ uri, suite }: Repository): string {
  const base = uri.replace(/\/$/, "");
  return suite.endsWith("/") ? `${base}/${suite === "/" ? "" : suite}Release` : `${base}/dists/${suite}/Release`;
}
