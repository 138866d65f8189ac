// From a role to the images that it is: a plain image, then one layer for each role from the root to it. Their names follow from the recipes,
// so that whoever resolves the same role means the same images, and a changed recipe means other ones. Pure.

import { createHash } from "node:crypto";
import { shippedRolesNamespace } from "@vivarium/api";
import type { Recipe, VMImageSpec, VMRole } from "@vivarium/api";
import { mergeRecipes, recipeDigestOf } from "@vivarium/images";

/** A VMImage as it shall be. */
export interface RoleImage {
  readonly name: string;
  /** Absent for a plain image that its namespace has to have: the role says only its name. */
  readonly spec?: VMImageSpec;
  /** The role that it is of; absent for the plain image. */
  readonly role?: string;
}

export interface ResolvedRole {
  readonly kind: "resolved";
  readonly role: VMRole;
  /** The plain image first, that of the role last. */
  readonly images: readonly [RoleImage, ...RoleImage[]];
  /** Images that are the role's own already, where they are there; the preferred first. */
  readonly own: readonly string[];
  /** What is done to the plain image, all layers in one, for a guest that is provisioned at its first boot. */
  readonly recipe: Recipe;
}

export interface RoleProblem {
  readonly kind: "problem";
  readonly reason: "RoleNotFound" | "InvalidRole";
  readonly message: string;
}

export interface RoleWish {
  readonly name: string;
  /** Of whoever uses the role. */
  readonly namespace: string;
  /** Plain image to begin with. */
  readonly image?: string;
}

/** Finds a role by its exact namespace and name. */
export type FindRole = (key: { readonly namespace: string; readonly name: string }) => VMRole | undefined;

const longestChain = 16;

export function resolveRole(wish: RoleWish, find: FindRole): ResolvedRole | RoleProblem {
  const chain: VMRole[] = [];
  let next: { readonly name: string; readonly namespace: string } | undefined = wish;
  while (next !== undefined) {
    const role = findRole(next, find);
    if (role === undefined) {
      const by = chain.at(-1);
      const who = by === undefined ? "" : `, which VMRole "${by.metadata.name}" is built upon`;
      const message = `There is no VMRole "${next.name}"${who}, neither in namespace "${next.namespace}" nor in "${shippedRolesNamespace}"`;
      return { kind: "problem", reason: "RoleNotFound", message };
    }
    if (chain.some((other) => isSame(other, role))) {
      const names = [...chain, role].map(({ metadata }) => metadata.name).join(" upon ");
      return invalid(`The roles go in a circle: ${names}`);
    }
    if (chain.length === longestChain) return invalid(`More than ${longestChain} roles are built upon each other`);
    const { roleRef, images } = role.spec.parent;
    if ((roleRef === undefined) === (images === undefined || images.length === 0)) {
      return invalid(`spec.parent of VMRole "${role.metadata.name}" needs exactly one of roleRef and images`);
    }
    chain.push(role);
    next = roleRef && { name: roleRef.name, namespace: roleRef.namespace ?? role.metadata.namespace ?? "" };
  }
  return fromRoot(wish, chain);
}

/** In the namespace itself, else among those that ship with the product. */
export function findRole(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  find: FindRole,
): VMRole | undefined {
  return find({ namespace, name }) ?? find({ namespace: shippedRolesNamespace, name });
}

function fromRoot(wish: RoleWish, chain: readonly VMRole[]): ResolvedRole | RoleProblem {
  const [role] = chain;
  const root = chain.at(-1);
  const choices = root?.spec.parent.images ?? [];
  const plain = wish.image === undefined ? choices[0] : choices.find(({ name }) => name === wish.image);
  if (role === undefined || root === undefined || plain === undefined) {
    const names = choices.map(({ name }) => name).join(", ");
    return invalid(
      `VMRole "${root?.metadata.name ?? wish.name}" begins with ${names}; image "${wish.image ?? ""}" is not among them`,
    );
  }
  const images: [RoleImage, ...RoleImage[]] = [plainImage(plain)];
  let whole: Recipe = {};
  for (const layer of chain.toReversed()) {
    const recipe = recipeOf(layer, plain.distribution);
    whole = mergeRecipes(whole, recipe);
    // A role that only groups or sizes adds nothing.
    if (isEmpty(recipe)) continue;
    const parent = images.at(-1)?.name ?? plain.name;
    images.push({
      name: layerName(layer.metadata.name, parent, recipe),
      role: layer.metadata.name,
      spec: {
        source: {
          layer: {
            parentRef: { name: parent },
            role: layer.metadata.name,
            ...recipe,
            ...(layer.spec.resources === undefined ? {} : { resources: layer.spec.resources }),
          },
        },
        ...(plain.distribution === undefined ? {} : { distribution: { name: plain.distribution } }),
      },
    });
  }
  return { kind: "resolved", role, images, own: role.spec.imageNames ?? [], recipe: whole };
}

type PlainImage = NonNullable<VMRole["spec"]["parent"]["images"]>[number];

function plainImage({ name, distribution, url, suite }: PlainImage): RoleImage {
  if (url === undefined && suite === undefined) return { name };
  return {
    name,
    spec: {
      source: {
        ...(url === undefined ? {} : { libvirt: { url, format: "qcow2" } }),
        ...(suite === undefined ? {} : { debootstrap: { suite } }),
      },
      ...(distribution === undefined ? {} : { distribution: { name: distribution } }),
    },
  };
}

/** What the role does on this distribution. */
function recipeOf({ spec }: VMRole, distribution: PlainImage["distribution"]): Recipe {
  const further = spec.distributions?.find(({ name }) => name === distribution);
  return mergeRecipes(mergeRecipes({}, spec), further);
}

function isEmpty({ packages, files, commands, verify, repositories }: Recipe): boolean {
  return [packages, files, commands, verify, repositories].every((list) => list === undefined || list.length === 0);
}

/** For example `docker-4f1c0a9b3e`: the digits stand for all below it as well, for they are in the parent's name. */
function layerName(role: string, parent: string, recipe: Recipe): string {
  const hash = createHash("sha256").update(JSON.stringify([parent, recipeDigestOf(recipe)]));
  return `${role}-${hash.digest("hex").slice(0, 10)}`;
}

function isSame(one: VMRole, other: VMRole): boolean {
  return one.metadata.name === other.metadata.name && one.metadata.namespace === other.metadata.namespace;
}

function invalid(message: string): RoleProblem {
  return { kind: "problem", reason: "InvalidRole", message };
}
