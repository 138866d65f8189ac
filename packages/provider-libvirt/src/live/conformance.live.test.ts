import { test } from "node:test";
import { providerConformance } from "@vivarium/provider";
import { liveSkipReason, openLiveHost } from "./live-host.ts";

const skip = liveSkipReason();
if (skip === false) await providerConformance("the libvirt provider", () => openLiveHost("conf"));
else test("the libvirt provider keeps the provider contract", { skip });
