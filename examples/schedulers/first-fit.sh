#!/bin/sh
# A program that decides for the scheduler, in shell and jq: each VM goes to the first host with room, by id.
#
#     [scheduler.executable]
#     command = ["/path/to/first-fit.sh"]
exec jq '
  (.hosts | map({key: "\(.id)", value: {cpu: .free_cpu_percent, memory: .free_memory_kib}}) | from_entries) as $free
  | (.candidates | map(.hosts as $hosts | .vms[] | {key: "\(.)", value: $hosts}) | from_entries) as $may
  | reduce (.vms | sort_by(.id) | .[]) as $vm (
      {free: $free, placements: [], refusals: {}};
      . as $so_far
      | ($vm.memory_mib * 1024) as $kib
      | first(
          $may["\($vm.id)"][]
          | select($so_far.free["\(.)"].cpu >= $vm.cpu_percent and $so_far.free["\(.)"].memory >= $kib)
        ) // null
      | if . == null then $so_far | .refusals["\($vm.id)"] = "no host has room"
        else . as $host | $so_far
          | .free["\($host)"].cpu -= $vm.cpu_percent
          | .free["\($host)"].memory -= $kib
          | .placements += [{vm: $vm.id, host: $host}]
        end
    )
  | {placements, refusals}'
