// The certificate that a client showed: its common name is the user, its organizations are the groups. Read once for a connection.

import type { TLSSocket } from "node:tls";
import type { Credentials } from "../authentication/authenticator.ts";

type Certificate = Credentials["certificate"];

const known = new WeakMap<TLSSocket, { readonly certificate: Certificate }>();

/** Undefined when the client showed none. */
export function certificateOf(socket: TLSSocket): Certificate {
  const found = known.get(socket) ?? { certificate: read(socket) };
  known.set(socket, found);
  return found.certificate;
}

function read(socket: TLSSocket): Certificate {
  // Typed as if there always was one; without one it is empty.
  const { subject }: { readonly subject?: Readonly<Record<string, string | readonly string[] | undefined>> } =
    socket.getPeerCertificate();
  if (subject === undefined) return undefined;
  return {
    isTrusted: socket.authorized,
    commonName: textsOf(subject["CN"])[0] ?? "",
    organizations: textsOf(subject["O"]),
  };
}

function textsOf(value: string | readonly string[] | undefined): readonly string[] {
  return typeof value === "string" ? [value] : (value ?? []);
}
