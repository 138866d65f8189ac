// What a clone's guest is told at its first boot. What the source's guest was told is told again, for to cloud-init the clone is a new
// machine; only what names the machine is replaced. Pure.

import type { VirtualMachineSpec, VMClone } from "@vivarium/api";
import { parseDocument, isMap } from "yaml";

type UserData = VirtualMachineSpec["userData"];

export interface CustomizedUserData {
  readonly value: UserData;
  readonly leftOut: readonly string[];
  readonly problems: readonly string[];
}

const header = "#cloud-config";
/** In user-data these win over what the instance's own data say. */
const nameKeys = ["hostname", "fqdn"];

export function customizedUserData(
  { spec }: VMClone,
  {
    inherited,
    hostname,
    isElsewhere,
  }: { readonly inherited: UserData; readonly hostname: string; readonly isElsewhere: boolean },
): CustomizedUserData {
  const { userData: own, timeZone } = spec.customization ?? {};
  const secret = own === undefined ? (inherited?.cloudInit?.secretRef ?? inherited?.ignition?.secretRef) : undefined;
  if (secret !== undefined && isElsewhere) {
    const why = `user-data of Secret ${secret.name}, which is in another namespace: give spec.customization.userData`;
    return { value: undefined, leftOut: [why], problems: [] };
  }
  const value = own ?? inherited;
  const text = value?.cloudInit?.inline;
  if (text === undefined) {
    if (timeZone === undefined) return { value, leftOut: [], problems: [] };
    if (value !== undefined) return refused("the user-data are in a Secret, or no cloud-init's");
    return whole(`${header}\n${JSON.stringify({ timezone: timeZone })}\n`);
  }
  const isChanged = timeZone !== undefined || (own === undefined && nameKeys.some((key) => text.includes(key)));
  if (!isChanged) return { value, leftOut: [], problems: [] };
  const document = text.trimStart().startsWith(header) ? parseDocument(text) : undefined;
  if (
    document === undefined ||
    document.errors.length > 0 ||
    !(document.contents === null || isMap(document.contents))
  ) {
    return timeZone === undefined
      ? { value, leftOut: [], problems: [] }
      : refused("the user-data are no #cloud-config");
  }
  if (own === undefined) {
    for (const key of nameKeys) if (document.has(key)) document.set(key, hostname);
  }
  if (timeZone !== undefined) document.set("timezone", timeZone);
  const changed = document.toString();
  return whole(changed.startsWith(header) ? changed : `${header}\n${changed}`);
}

function whole(inline: string): CustomizedUserData {
  return { value: { cloudInit: { inline } }, leftOut: [], problems: [] };
}

function refused(why: string): CustomizedUserData {
  return { value: undefined, leftOut: [], problems: [`spec.customization.timeZone cannot be set: ${why}`] };
}
