// The shell script that makes a layer of its parent, inside a guest. It tells where it is on the serial line, for that is what every guest has:
//
//   VIVARIUM-BUILD <token> step 3/7 install 12 packages
//   VIVARIUM-BUILD <token> unreachable https://packages.example.com/debian bookworm
//   VIVARIUM-BUILD <token> failed 3/7 exit status 100
//   VIVARIUM-BUILD <token> done
//
// What its commands print goes there too. It needs a POSIX shell and base64; apt only where there are packages. Pure.

import type { Recipe } from "@vivarium/api";
import { neededUrls } from "./needed-urls.ts";

/** Raise it when what is done to a guest changes: layers of the same recipe are built anew then. */
export const provisionVersion = 1;

export interface ProvisionOptions {
  /** Tells the marks of this run from those of another. */
  readonly token: string;
  /** Whether to take out of the guest what makes it that one guest, since others are to be cloned from its disk. */
  readonly isForImage: boolean;
}

interface Step {
  readonly title: string;
  readonly script: string;
}

export function stepsOf(recipe: Recipe, { isForImage }: Pick<ProvisionOptions, "isForImage">): readonly Step[] {
  const packages = [...new Set(recipe.packages)].toSorted();
  const repositories = recipe.repositories ?? [];
  const steps: Step[] = [];
  const add = (title: string, script: string): void => void steps.push({ title, script });
  const urls = neededUrls(recipe);
  if (urls.length > 0) {
    add(
      "look whether what it needs answers",
      [probeFunction, ...urls.map((url) => `probe '${url}'`), "exit $missing"].join("\n"),
    );
  }
  if (recipe.files !== undefined && recipe.files.length > 0) {
    add(`write ${countOf(recipe.files.length, "file")}`, recipe.files.map(fileScript).join("\n"));
  }
  if (repositories.length > 0)
    add("add repositories", [fetchFunction, ...repositories.map(repositoryScript)].join("\n"));
  if (packages.length > 0) {
    add("read the package lists", updateScript);
    add(`install ${countOf(packages.length, "package")}`, installScript(packages));
  }
  for (const command of recipe.commands ?? []) add(`run ${titleOf(command)}`, command);
  for (const command of recipe.verify ?? []) add(`verify ${titleOf(command)}`, verifyScript(command));
  if (isForImage) add("clean", cleanScript);
  return steps;
}

/** A user-data script: it starts the work and returns, so that cloud-init comes to its end meanwhile. */
export function provisionScript(recipe: Recipe, options: ProvisionOptions): string {
  const steps = stepsOf(recipe, options);
  const directory = `/run/vivarium-${options.token}`;
  const lines = [
    "#!/bin/sh",
    "umask 022",
    `dir=${directory}`,
    `mkdir -p "$dir" || exit 1`,
    ...steps.map((step, index) => decode(step.script, `$dir/${index + 1}.sh`)),
    decode(driver(steps, options.token), "$dir/run.sh"),
    `setsid sh "$dir/run.sh" "$dir" </dev/null >/dev/null 2>&1 &`,
    "",
  ];
  return lines.join("\n");
}

function driver(steps: readonly Step[], token: string): string {
  return `dir=$1
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root VIVARIUM_TOKEN=${token}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
tty=/dev/ttyS0
[ -c "$tty" ] || tty=/dev/console
# Opened for each line: whoever logs in on the line hangs it up.
tell() { printf '%s\\r\\n' "$*" >"$tty" 2>/dev/null; }
mark() { tell ""; tell "VIVARIUM-BUILD ${token} $*"; }
step() {
  mark "step $1/${steps.length} $2"
  { sh -e "$dir/$1.sh" </dev/null 2>&1; echo "$?" >"$dir/status"; } | while IFS= read -r line; do
    case $line in
    "VIVARIUM-UNREACHABLE "*) mark "unreachable \${line#VIVARIUM-UNREACHABLE }" ;;
    *) tell "$line" ;;
    esac
  done
  status=$(cat "$dir/status")
  [ "$status" = 0 ] && return 0
  mark "failed $1/${steps.length} exit status $status"
  exit 1
}
${steps.map((step, index) => `step ${index + 1} '${step.title.replaceAll("'", "'\\''")}'`).join("\n")}
sync
mark done
`;
}

const fetchFunction = `fetch() {
  if command -v curl >/dev/null; then curl -fsSL --connect-timeout 15 --max-time 60 "$1"
  elif command -v wget >/dev/null; then wget -q -T 15 -O - "$1"
  else python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=15).read())' "$1"
  fi
}`;

/** An answer of any kind will do: a folder may not be listed. */
const probeFunction = `missing=0
answers() {
  if command -v curl >/dev/null; then curl -sSL --connect-timeout 15 --max-time 60 -o /dev/null -r 0-0 "$1"
  elif command -v python3 >/dev/null; then python3 - "$1" <<'END'
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={"Range": "bytes=0-0"}), timeout=15).read(1)
except urllib.error.HTTPError:
    pass
END
  else wget -q -T 15 -O /dev/null "$1"
  fi
}
probe() {
  for try in 1 2 3; do
    answers "$1" && return 0
    [ "$try" = 3 ] || sleep 3
  done
  echo "VIVARIUM-UNREACHABLE $1"
  missing=1
}`;

type Repository = NonNullable<Recipe["repositories"]>[number];

function repositoryScript({ name, uri, suite, components, key, keyURL }: Repository): string {
  const keyFile = `/etc/apt/keyrings/${name}.asc`;
  const lines: string[] = ["mkdir -p /etc/apt/keyrings"];
  if (key !== undefined) lines.push(decode(key, keyFile));
  else if (keyURL !== undefined) {
    lines.push(`fetch '${keyURL}' >${keyFile} || { echo "VIVARIUM-UNREACHABLE ${keyURL}"; exit 1; }`);
  }
  const signed = key === undefined && keyURL === undefined ? "" : ` [signed-by=${keyFile}]`;
  const line = `deb${signed} ${uri} ${suite} ${(components ?? []).join(" ")}`.trimEnd();
  return [...lines, decode(`${line}\n`, `/etc/apt/sources.list.d/${name}.list`)].join("\n");
}

/** apt itself takes a repository that does not answer for a warning. Its own timers may hold the lock for a while. */
const updateScript = `list=$(mktemp)
{ apt-get -q -o APT::Update::Error-Mode=any -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \\
    -o DPkg::Lock::Timeout=300 update 2>&1; echo "$?" >"$list.status"; } | tee "$list"
sed -n 's/^Err:[0-9]* \\([^ ]*\\) \\([^ ]*\\).*/VIVARIUM-UNREACHABLE \\1 \\2/p' "$list"
exit "$(cat "$list.status")"`;

function installScript(packages: readonly string[]): string {
  return `apt-get -q -y --no-install-recommends -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \\
  -o Dpkg::Options::=--force-confold install ${packages.join(" ")}`;
}

type RecipeFile = NonNullable<Recipe["files"]>[number];

function fileScript({ path, content, mode }: RecipeFile): string {
  const folder = path.slice(0, path.lastIndexOf("/")) || "/";
  return `mkdir -p '${folder}'\n${decode(content, path)}\nchmod ${mode ?? "0644"} '${path}'`;
}

/** What was just started may take a while to answer. */
function verifyScript(command: string): string {
  return `${decode(command, "/run/vivarium-verify.sh")}
tries=0
until sh -e /run/vivarium-verify.sh; do
  tries=$((tries + 1))
  [ "$tries" -lt 40 ] || { echo "it did not work within two minutes"; exit 1; }
  sleep 3
done
rm -f /run/vivarium-verify.sh`;
}

/** What makes a guest that guest, and what it left lying about. cloud-init is let finish first: it would write its state anew. */
const cleanScript = `set +e
command -v apt-get >/dev/null && { apt-get -q -y clean; rm -rf /var/lib/apt/lists/*; }
command -v cloud-init >/dev/null && { cloud-init status --wait >/dev/null 2>&1; cloud-init clean --logs; rm -rf /var/lib/cloud/*; }
rm -f /etc/systemd/network/10-cloud-init-* /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init
rm -f /etc/udev/rules.d/70-persistent-net.rules /var/lib/dhcp/*.lease* /var/lib/NetworkManager/*.lease
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
rm -f /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys /root/.*_history /home/*/.*_history
[ -e /etc/machine-id ] && : >/etc/machine-id
[ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ] && rm -f /var/lib/dbus/machine-id
command -v systemctl >/dev/null && systemctl stop systemd-random-seed.service 2>/dev/null
rm -f /var/lib/systemd/random-seed
rm -rf /var/log/journal/* /tmp/* /var/tmp/*
[ -d /var/log ] && find /var/log -type f -exec sh -c ': >"$1"' sh {} ';'
sync
command -v fstrim >/dev/null && fstrim -a -v
exit 0`;

function decode(text: string, path: string): string {
  return `base64 -d >"${path}" <<'END-OF-FILE'\n${wrapped(Buffer.from(text).toString("base64"))}END-OF-FILE`;
}

function wrapped(text: string): string {
  return text.replaceAll(/.{1,76}/g, "$&\n");
}

/** The first line, as far as it fits a status. */
function titleOf(command: string): string {
  const line = command.trim().split("\n")[0] ?? "";
  const plain = line.replaceAll(/[^\u0020-\u007E]/g, "?");
  return plain.length > 60 ? `${plain.slice(0, 57)}...` : plain;
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
