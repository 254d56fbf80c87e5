#!/usr/bin/python3
"""Delivers log files to CloudWatch Logs, as amazon-cloudwatch-agent.json asks: the one thing that a worker has its agent for."""
import json
import os
import time
import urllib.request

try:
    from botocore.session import Session
except ImportError:
    # Version 2 of the AWS CLI brings its own.
    from awscli.botocore.session import Session

SERVICE = "http://169.254.169.254/latest"
CONFIGURATION = "/opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json"
# Seconds: the agent's own default of force_flush_interval.
INTERVAL = 5


def instance_id():
    ask = urllib.request.Request(
        SERVICE + "/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    )
    token = urllib.request.urlopen(ask, timeout=5).read().decode()
    ask = urllib.request.Request(SERVICE + "/meta-data/instance-id", headers={"X-aws-ec2-metadata-token": token})
    return urllib.request.urlopen(ask, timeout=5).read().decode()


def deliver(logs, group, stream, path, offset):
    """Returns how much of the file is delivered then."""
    if not os.path.exists(path):
        return offset
    # A file that was truncated begins anew.
    begin = offset if os.path.getsize(path) >= offset else 0
    with open(path, "rb") as file:
        file.seek(begin)
        read = file.read()
    whole = read[: read.rfind(b"\n") + 1]
    now = int(time.time() * 1000)
    lines = [line for line in whole.decode(errors="replace").split("\n") if line]
    if lines:
        events = [{"timestamp": now, "message": line} for line in lines]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    return begin + len(whole)


def main():
    with open(CONFIGURATION, encoding="utf8") as file:
        configuration = json.load(file)
    logs = Session().create_client("logs", region_name=configuration["agent"]["region"])
    own = instance_id()
    files = []
    for each in configuration["logs"]["logs_collected"]["files"]["collect_list"]:
        stream = each["log_stream_name"].replace("{instance_id}", own)
        try:
            logs.create_log_stream(logGroupName=each["log_group_name"], logStreamName=stream)
        except logs.exceptions.ResourceAlreadyExistsException:
            pass
        files.append([each["log_group_name"], stream, each["file_path"], 0])
    while True:
        for each in files:
            each[3] = deliver(logs, *each)
        time.sleep(INTERVAL)


main()
