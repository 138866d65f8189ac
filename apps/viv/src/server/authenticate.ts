// Who asks: the holder of the administrator's token, or nobody.

import { createHash, timingSafeEqual } from "node:crypto";
import type { UserInfo } from "@vivarium/api";

export const administrator: UserInfo = { name: "vivarium-admin", groups: ["system:masters", "system:authenticated"] };

export function tokenAuthentication(
  token: string,
): (credentials: { readonly headers: Readonly<Record<string, string | undefined>> }) => UserInfo | undefined {
  const wanted = digest(token);
  return ({ headers }) => {
    const given = /^bearer +(\S+)$/i.exec(headers["authorization"] ?? "")?.[1];
    return given !== undefined && timingSafeEqual(digest(given), wanted) ? administrator : undefined;
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
