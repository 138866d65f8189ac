// An interface of a domain in the contract's words.

import type { NicObservation } from "@vivarium/provider";
import { nameOfNic, sourceOfNic } from "../domain/nics.ts";
import type { NicView } from "../domain/nics.ts";
import { filterKeyOf } from "./filter-xml.ts";

export function nicObservation(view: NicView): NicObservation {
  const { mac, device, vlan, isIsolated, isLinkUp, limits, filter } = view;
  const name = nameOfNic(view);
  const source = sourceOfNic(view);
  return {
    ...(name === undefined ? {} : { name }),
    mac,
    ...(device === undefined ? {} : { device }),
    ...(source === undefined ? {} : { source }),
    ...(vlan === undefined ? {} : { vlan }),
    isIsolated,
    isLinkUp,
    limits,
    ...(filter === undefined ? {} : { filter: filterKeyOf(filter) }),
  };
}
