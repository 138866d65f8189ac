// `vmexports/NAME/file`: the bytes of the file that an export made. `?fromByte=N` goes on where an earlier answer broke off.

import { StatusError, VMExport } from "@vivarium/api";
import type { Subresource } from "@vivarium/apiserver";
import type { Controllers } from "./start-controllers.ts";

export function exportSubresource(controllers: () => Controllers | undefined): Subresource {
  return {
    group: VMExport.group,
    plural: VMExport.plural,
    name: "file",
    async get({ key, query, signal }) {
      const fromByte = positionIn(query);
      const running = controllers();
      if (running === undefined)
        throw new StatusError("ServiceUnavailable", "The controllers are still starting; try again.");
      const { bytes, sizeBytes } = await running.readExport(key, { fromByte, signal });
      if (fromByte > sizeBytes)
        throw new StatusError("BadRequest", `fromByte: the file has ${sizeBytes} bytes, found ${fromByte}`);
      const headers = {
        "content-type": "application/octet-stream",
        "content-length": String(sizeBytes - fromByte),
      };
      return { status: 200, headers, body: bytes };
    },
  };
}

function positionIn(query: URLSearchParams): number {
  const text = query.get("fromByte") ?? "0";
  if (!/^\d{1,15}$/.test(text))
    throw new StatusError("BadRequest", `fromByte: expected a whole number, found "${text}"`);
  return Number(text);
}
