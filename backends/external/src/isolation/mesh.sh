# Makes a network for each of as many roles as the first argument says: with loopback, and with one interface to each other
# role, "to" and that role's number from 1. They last as long as standard input is open. Prints the numbers of the processes
# that hold them. Both ends of a pair have one address of the link layer, so that nobody has to ask for it.
set -e
count=$1
exec 3<&0
own=$(readlink /proc/self/ns/net)
role=0
holders=
while [ $role -lt $count ]; do
  unshare --net -- cat <&3 >/dev/null &
  holders="$holders $!"
  role=$((role + 1))
done
holder() { shift "$1"; echo "$2"; }
for process in $holders; do
  while [ "$(readlink /proc/$process/ns/net)" = "$own" ]; do kill -0 $process; done
done
inside() { process=$1; shift; nsenter --net=/proc/$process/ns/net -- "$@"; }
one=0
for a in $holders; do
  inside $a sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null || true
  inside $a ip link set lo up
  one=$((one + 1))
  inside $a ip address add 10.66.0.$one/32 dev lo
done
one=0
for a in $holders; do
  one=$((one + 1))
  two=0
  for b in $holders; do
    two=$((two + 1))
    [ $two -gt $one ] || continue
    inside $a ip link add to$two mtu 65535 type veth peer name to$one mtu 65535 netns $b
    for end in "$a $two $one" "$b $one $two"; do
      set -- $end
      # No address of IPv6, and so no packets of its own, where it could not be switched off above.
      inside $1 ip link set to$2 addrgenmode none 2>/dev/null || true
      inside $1 ip link set to$2 address 02:00:00:00:00:01 arp off up
      inside $1 ip route add 10.66.0.$2/32 dev to$2 src 10.66.0.$3
    done
  done
done
echo $holders
wait
