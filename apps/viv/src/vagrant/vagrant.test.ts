import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualMachine, VirtualNetwork, VMImage } from "@vivarium/api";
import * as fc from "fast-check";
import { stringify } from "yaml";
import { readVagrantfile } from "./read-vagrantfile.ts";
import { vagrantManifests } from "./to-manifests.ts";

function imported(source: string, scripts: Readonly<Record<string, string>> = {}) {
  const reading = readVagrantfile(source, "default");
  const options = { images: { "my/box": "mine" }, readScript: (path: string) => scripts[path], toYaml: stringify };
  const { objects, notes } = vagrantManifests(reading.machines, options);
  const ofKind = (kind: string) => objects.filter((each) => each.kind.kind === kind).map(({ object }) => object);
  return {
    vms: ofKind(VirtualMachine.kind) as VirtualMachine[],
    images: ofKind(VMImage.kind).map(({ metadata }) => metadata.name),
    networks: ofKind(VirtualNetwork.kind) as VirtualNetwork[],
    notes: [...reading.notes, ...notes],
  };
}

test("a file with one machine: box, size, hostname, script", () => {
  const { vms, images, notes } = imported(`
# -*- mode: ruby -*-
Vagrant.configure("2") do |config|
  config.vm.box = "generic/debian12"   # bookworm
  config.vm.hostname = "web.example"
  config.vm.provider :libvirt do |v|
    v.memory = 2048
    v.cpus = 2
    v.machine_virtual_size = 40
  end
  config.vm.provision "shell", inline: <<-SHELL
    apt-get update
    apt-get install -y "nginx" # a comment of the script
  SHELL
end
`);
  assert.deepEqual(notes, []);
  assert.deepEqual(images, ["box-debian-12"]);
  const [vm] = vms;
  assert.equal(vm?.metadata.name, "default");
  assert.deepEqual(vm.spec.resources, { cpu: 2, memoryMiB: 2048 });
  assert.deepEqual(vm.spec.disks, [{ name: "root", sizeGiB: 40 }]);
  const userData = vm.spec.userData?.cloudInit?.inline ?? "";
  assert.match(userData, /^#cloud-config\nhostname: web\nfqdn: web\.example\n/);
  assert.match(userData, /apt-get update\n +apt-get install -y "nginx" # a comment of the script\n/);
});

test("several machines, a loop, addresses that are reckoned, and settings of all", () => {
  const { vms, networks, notes } = imported(`
NODES = 2
BOX = "ubuntu/jammy64"
Vagrant.configure("2") do |config|
  config.vm.box = BOX
  config.vm.provider "virtualbox" do |vb|
    vb.memory = "1024"
    vb.gui = false
  end
  config.vm.define "control", primary: true do |node|
    node.vm.network "private_network", ip: "192.168.56.10", netmask: "255.255.255.0"
  end
  (1..NODES).each do |i|
    config.vm.define "node_#{i}", autostart: false do |node|
      node.vm.hostname = "node-#{i}"
      node.vm.network :private_network,
        ip: "192.168.56.#{i + 10}"
      node.vm.provider "virtualbox" do |vb|
        vb.cpus = 4
      end
    end
  end
end
`);
  assert.deepEqual(
    vms.map(({ metadata, spec }) => [metadata.name, spec.resources?.cpu, spec.resources?.memoryMiB, spec.powerState]),
    [
      ["control", 1, 1024, "On"],
      ["node-1", 4, 1024, "Off"],
      ["node-2", 4, 1024, "Off"],
    ],
  );
  assert.deepEqual(vms[2]?.spec.networks, [
    { name: "nic0" },
    { name: "nic1", virtualNetworkRef: { name: "private-192-168-56-0" }, ipAddress: "192.168.56.12", prefix: 24 },
  ]);
  assert.equal(vms[2].spec.imageRef?.name, "box-ubuntu-22.04");
  assert.deepEqual(networks[0]?.spec.create?.subnets, [{ address: "192.168.56.1/24" }]);
  assert.deepEqual(notes, [
    'line 14: machine "node_1" is called "node-1" here',
    'line 14: machine "node_2" is called "node-2" here',
  ]);
});

test("scripts of files are taken in, with their arguments and their user", () => {
  const source = `
Vagrant.configure("2") do |config|
  config.vm.box = "my/box"
  config.vm.provision "shell", path: "setup.sh", args: "one two", privileged: false
  config.vm.provision "gone", type: "shell", path: "gone.sh"
end
`;
  const { vms, notes } = imported(source, { "setup.sh": "#!/bin/sh\necho $1\n" });
  assert.equal(vms[0]?.spec.imageRef?.name, "mine");
  assert.match(
    vms[0].spec.userData?.cloudInit?.inline ?? "",
    /- sudo\n.*- -H\n.*- -u\n.*"#1000"\n.*provision-1\.sh\n.*- one\n.*- two/,
  );
  assert.deepEqual(notes, ["machine default: script gone.sh is not there, beside the Vagrantfile"]);
});

test("what has no counterpart is told with its line, and the rest is taken over", () => {
  const { vms, notes } = imported(`
require "yaml"
settings = YAML.load_file("settings.yaml")
Vagrant.configure("2") do |config|
  config.vm.box = "acme/os"
  config.vm.network "forwarded_port", guest: 80, host: 8080
  config.vm.network "public_network"
  config.vm.synced_folder ".", "/vagrant"
  config.vm.provision "ansible" do |ansible|
    ansible.playbook = "site.yml"
  end
  if Vagrant.has_plugin?("x")
    config.x.y = 1
  end
  config.vm.provider "libvirt" do |v|
    v.nested = true
    v.cpus = ENV["CPUS"]
    v.memory = 512
  end
end
`);
  assert.equal(vms[0]?.spec.resources?.memoryMiB, 512);
  const lines = notes.map((note) => /^line (\d+)/.exec(note)?.[1] ?? note.slice(0, 15));
  assert.deepEqual(lines, ["3", "6", "7", "8", "9", "12", "16", "17", "machine default"]);
  assert.match(notes.at(-1) ?? "", /box "acme\/os" is not known: .*--image acme\/os=NAME/);
});

test("whatever a file has in it, reading it ends, and runs nothing", () => {
  const pieces = fc.constantFrom(
    "Vagrant.configure(2) do |c|",
    "c.vm.define 'a' do |x|",
    "end",
    "if",
    "<<-A",
    "A",
    "#{",
    "}",
    '"',
    "(1..9).each do |i|",
    "c.vm.box =",
    "=begin",
    "x = 1",
    ",",
    "\\",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string()), { maxLength: 30 }), (lines) => {
      const { machines } = readVagrantfile(lines.join("\n"), "default");
      assert.ok(machines.length > 0);
    }),
    { numRuns: 500 },
  );
});
