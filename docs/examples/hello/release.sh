#!/bin/sh
# Stands for a release: it takes three seconds and must not happen twice.
set -eu
echo "releasing $1 as task $OPSGATE_TASK, attempt $OPSGATE_ATTEMPT"
sleep 3
echo "$1 $OPSGATE_DISPATCH_KEY" >> .opsgate/released.txt
