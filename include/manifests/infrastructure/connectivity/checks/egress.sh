#!/bin/sh
# Pods need STS for their identity and ECR for images. An HTTP answer of any kind over verified TLS proves the way out
# (NAT gateway or VPC endpoint) and the clock; both services answer an anonymous GET with an error status.
set -eu

# Without a region the global addresses do.
sts="${STS_URL:-https://sts.${AWS_REGION:+$AWS_REGION.}amazonaws.com/}"
if [ -n "${AWS_REGION:-}" ]; then
  ecr="${ECR_URL:-https://api.ecr.$AWS_REGION.amazonaws.com/}"
else
  ecr="${ECR_URL:-https://public.ecr.aws/}"
fi
numbers=""
for entry in "sts $sts" "ecr $ecr"; do
  name="${entry%% *}"
  url="${entry#* }"
  if ! answer=$(curl --silent --show-error --output /dev/null --connect-timeout 10 --max-time 20 --retry 3 \
    --retry-all-errors --retry-delay 2 --write-out '%{http_code} %{time_total}' "$url" 2>/tmp/error); then
    echo "$url could not be reached: $(tail -n 1 /tmp/error). Look at the subnets' route to a NAT gateway or VPC" \
      "endpoint, at security groups and at network ACLs" >&2
    exit 1
  fi
  echo "$name answered: HTTP ${answer% *} in ${answer#* } s"
  numbers="$numbers,\"${name}_status\":${answer% *},\"${name}_seconds\":${answer#* }"
done
echo "{\"check\":\"egress\"$numbers}"
