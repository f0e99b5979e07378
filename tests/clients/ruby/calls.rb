# Makes calls with the XML-RPC library that the Ruby tools stand on, set up as they do: no compression, one session
# first, answers as arrays.  Reads a JSON array of [method, argument …] from stdin and prints what came back.
require 'json'
require 'xmlrpc/client'

server = XMLRPC::Client.new2(ENV.fetch('ONE_XMLRPC'), nil, 30)
server.http_header_extra = { 'accept-encoding' => 'identity' }
session = File.read(ENV.fetch('ONE_AUTH')).strip

answers = JSON.parse($stdin.read).each_with_index.map do |(method, *arguments), number|
  # every second call goes out on a connection of its own
  number.even? ? server.call(method, session, *arguments) : server.call_async(method, session, *arguments)
rescue XMLRPC::FaultException => e
  { 'fault' => e.faultCode, 'text' => e.faultString }
end
puts JSON.generate(answers)
