// Which image a machine of a role is cloned from, and why. Pure.

export interface RoleImageInput {
  readonly role: string;
  /** Those images that are the role's own by name, and are there; the preferred first. */
  readonly own: readonly string[];
  /** The plain image first, the role's layer last; and whether each is on the machine's provider. */
  readonly images: readonly { readonly name: string; readonly isThere: boolean }[];
  readonly onMissing: "Build" | "Provision" | "Fail";
}

export type RoleImageChoice =
  | { readonly kind: "image"; readonly image: string; readonly why: string }
  /** The plain image; the guest is made what the role says at its first boot. */
  | { readonly kind: "provision"; readonly image: string; readonly why: string }
  | { readonly kind: "none"; readonly why: string };

export function chooseRoleImage({ role, own, images, onMissing }: RoleImageInput): RoleImageChoice {
  const [dedicated] = own;
  if (dedicated !== undefined) {
    return { kind: "image", image: dedicated, why: `VMImage "${dedicated}" is the own image of role "${role}"` };
  }
  const leaf = images.at(-1);
  const [plain] = images;
  if (leaf === undefined || plain === undefined) return { kind: "none", why: `Role "${role}" has no image` };
  if (images.length === 1) {
    return { kind: "image", image: plain.name, why: `Role "${role}" adds nothing to VMImage "${plain.name}"` };
  }
  const upon = images
    .slice(0, -1)
    .toReversed()
    .map(({ name }) => `"${name}"`)
    .join(" upon ");
  if (leaf.isThere) {
    return {
      kind: "image",
      image: leaf.name,
      why: `VMImage "${leaf.name}" is role "${role}" upon ${upon}, and is there`,
    };
  }
  switch (onMissing) {
    case "Build":
      return {
        kind: "image",
        image: leaf.name,
        why: `VMImage "${leaf.name}" is role "${role}" upon ${upon}; it is built where it is missing`,
      };
    case "Provision":
      return {
        kind: "provision",
        image: plain.name,
        why: `The image of role "${role}" ("${leaf.name}") is not there: VMImage "${plain.name}" is taken, and the guest provisioned at its first boot`,
      };
    case "Fail":
      return {
        kind: "none",
        why: `The image of role "${role}" ("${leaf.name}") is not there, and spec.onMissingRoleImage is Fail: build it with viv build ${role}`,
      };
  }
  throw new TypeError(`Unknown onMissing: ${JSON.stringify(onMissing satisfies never)}`);
}
