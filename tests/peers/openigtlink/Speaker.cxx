// Says one message of every type the gateway understands, then prints each one it hears.
//
//   Speaker PORT     serve one client: say everything, then hear until it closes
//
// One line of JSON per message heard; "crc" tells whether the library's own CRC check passed.

#include <cstdlib>
#include <cstring>
#include <iomanip>
#include <iostream>

#include "igtlMessageHeader.h"
#include "igtlPositionMessage.h"
#include "igtlQuaternionTrackingDataMessage.h"
#include "igtlSensorMessage.h"
#include "igtlServerSocket.h"
#include "igtlStatusMessage.h"
#include "igtlStringMessage.h"
#include "igtlTrackingDataMessage.h"
#include "igtlTransformMessage.h"

namespace {

// A turn about z by 90 degrees: asymmetric, so that a transposed matrix shows.
void fill(igtl::Matrix4x4& matrix, float x, float y, float z) {
  igtl::IdentityMatrix(matrix);
  matrix[0][0] = 0; matrix[0][1] = -1;
  matrix[1][0] = 1; matrix[1][1] = 0;
  matrix[0][3] = x; matrix[1][3] = y; matrix[2][3] = z;
}

template <class Message>
void say(igtl::Socket* socket, Message& message, const char* name) {
  message->SetDeviceName(name);
  message->SetTimeStamp(1700000000u, 0x80000000u);
  message->Pack();
  socket->Send(message->GetPackPointer(), message->GetPackSize());
}

void sayEverything(igtl::Socket* socket) {
  igtl::Matrix4x4 matrix;

  igtl::TransformMessage::Pointer transform = igtl::TransformMessage::New();
  fill(matrix, 1.5f, -2.25f, 3.125f);
  transform->SetMatrix(matrix);
  say(socket, transform, "Chest");

  // Not the two short forms: packing them overruns the library's own buffer (1.11).
  igtl::PositionMessage::Pointer position = igtl::PositionMessage::New();
  position->SetPosition(4.5f, -5.25f, 6.125f);
  position->SetQuaternion(0.0f, 0.0f, 0.6f, 0.8f);
  say(socket, position, "Pointer");

  igtl::TrackingDataMessage::Pointer tracking = igtl::TrackingDataMessage::New();
  const char* names[] = {"Marker 0", "Marker 1"};
  for (int i = 0; i < 2; i++) {
    igtl::TrackingDataElement::Pointer element = igtl::TrackingDataElement::New();
    element->SetName(names[i]);
    element->SetType(igtl::TrackingDataElement::TYPE_3D);
    fill(matrix, 10.0f + i, -20.0f - i, 30.5f + i);
    element->SetMatrix(matrix);
    tracking->AddTrackingDataElement(element);
  }
  say(socket, tracking, "Tracker");

  igtl::QuaternionTrackingDataMessage::Pointer quaternions =
      igtl::QuaternionTrackingDataMessage::New();
  igtl::QuaternionTrackingDataElement::Pointer element =
      igtl::QuaternionTrackingDataElement::New();
  element->SetName("Marker 0");
  element->SetType(igtl::QuaternionTrackingDataElement::TYPE_6D);
  element->SetPosition(7.5f, -8.25f, 9.125f);
  element->SetQuaternion(0.0f, 0.6f, 0.0f, 0.8f);
  quaternions->AddQuaternionTrackingDataElement(element);
  say(socket, quaternions, "Tracker");

  igtl::StatusMessage::Pointer status = igtl::StatusMessage::New();
  status->SetCode(igtl::StatusMessage::STATUS_NOT_READY);
  status->SetSubCode(-0x1122334455LL);
  status->SetErrorName("Warm-up");
  status->SetStatusString("camera is warming up");
  say(socket, status, "Tracker");

  igtl::StringMessage::Pointer text = igtl::StringMessage::New();
  text->SetEncoding(3);
  text->SetString("hello from C++");
  say(socket, text, "Note");

  igtl::SensorMessage::Pointer sensor = igtl::SensorMessage::New();
  sensor->SetLength(2);
  sensor->SetUnit((igtl::igtlUnit)0);
  sensor->SetValue(0u, 512.25);
  sensor->SetValue(1u, -1.5);
  say(socket, sensor, "Belt");
}

template <class Message>
typename Message::Pointer take(igtl::Socket* socket, igtl::MessageHeader::Pointer& header) {
  typename Message::Pointer message = Message::New();
  message->SetMessageHeader(header);
  message->AllocatePack();
  socket->Receive(message->GetPackBodyPointer(), message->GetPackBodySize());
  const int unpacked = message->Unpack(1);
  const bool good = unpacked & igtl::MessageHeader::UNPACK_BODY;
  std::cout << ", \"crc\": " << (good ? "true" : "false");
  return message;
}

void print(const char* name, const igtl::Matrix4x4& matrix) {
  std::cout << ", \"" << name << "\": [";
  for (int row = 0; row < 3; row++)
    for (int column = 0; column < 4; column++)
      std::cout << (row + column ? ", " : "") << matrix[row][column];
  std::cout << "]";
}

void print(const char* name, const float* values, int count) {
  std::cout << ", \"" << name << "\": [";
  for (int i = 0; i < count; i++) std::cout << (i ? ", " : "") << values[i];
  std::cout << "]";
}

void hear(igtl::Socket* socket, igtl::MessageHeader::Pointer& header) {
  const std::string type = header->GetDeviceType();
  unsigned int seconds, fraction;
  header->GetTimeStamp(&seconds, &fraction);
  std::cout << "{\"type\": \"" << type << "\", \"name\": \"" << header->GetDeviceName()
            << "\", \"seconds\": " << seconds << ", \"fraction\": " << fraction;
  if (type == "TRANSFORM") {
    igtl::TransformMessage::Pointer message = take<igtl::TransformMessage>(socket, header);
    igtl::Matrix4x4 matrix;
    message->GetMatrix(matrix);
    print("matrix", matrix);
  } else if (type == "POSITION") {
    igtl::PositionMessage::Pointer message = take<igtl::PositionMessage>(socket, header);
    float position[3], quaternion[4];
    message->GetPosition(position);
    message->GetQuaternion(quaternion);
    print("position", position, 3);
    print("quaternion", quaternion, 4);
  } else if (type == "TDATA") {
    igtl::TrackingDataMessage::Pointer message = take<igtl::TrackingDataMessage>(socket, header);
    for (int i = 0; i < message->GetNumberOfTrackingDataElements(); i++) {
      igtl::TrackingDataElement::Pointer element;
      message->GetTrackingDataElement(i, element);
      igtl::Matrix4x4 matrix;
      element->GetMatrix(matrix);
      print(element->GetName(), matrix);
    }
  } else if (type == "QTDATA") {
    igtl::QuaternionTrackingDataMessage::Pointer message =
        take<igtl::QuaternionTrackingDataMessage>(socket, header);
    for (int i = 0; i < message->GetNumberOfQuaternionTrackingDataElements(); i++) {
      igtl::QuaternionTrackingDataElement::Pointer element;
      message->GetQuaternionTrackingDataElement(i, element);
      float values[7];
      element->GetPosition(values);
      element->GetQuaternion(values + 3);
      print(element->GetName(), values, 7);
    }
  } else if (type == "STATUS") {
    igtl::StatusMessage::Pointer message = take<igtl::StatusMessage>(socket, header);
    std::cout << ", \"code\": " << message->GetCode() << ", \"subcode\": " << message->GetSubCode()
              << ", \"error\": \"" << message->GetErrorName() << "\", \"text\": \""
              << message->GetStatusString() << "\"";
  } else if (type == "STRING") {
    igtl::StringMessage::Pointer message = take<igtl::StringMessage>(socket, header);
    std::cout << ", \"encoding\": " << message->GetEncoding() << ", \"text\": \""
              << message->GetString() << "\"";
  } else if (type == "SENSOR") {
    igtl::SensorMessage::Pointer message = take<igtl::SensorMessage>(socket, header);
    std::cout << ", \"values\": [";
    for (unsigned int i = 0; i < message->GetLength(); i++)
      std::cout << (i ? ", " : "") << message->GetValue(i);
    std::cout << "]";
  } else if (type == "STT_TDATA") {
    igtl::StartTrackingDataMessage::Pointer message =
        take<igtl::StartTrackingDataMessage>(socket, header);
    std::cout << ", \"resolution\": " << message->GetResolution() << ", \"coordinates\": \""
              << message->GetCoordinateName() << "\"";
  } else {
    socket->Skip(header->GetBodySizeToRead(), 0);
  }
  std::cout << "}" << std::endl;
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 2) {
    std::cerr << "Usage: " << argv[0] << " <port>" << std::endl;
    return 2;
  }
  igtl::ServerSocket::Pointer server = igtl::ServerSocket::New();
  if (server->CreateServer(std::atoi(argv[1])) < 0) return 1;
  std::cout << "listening" << std::endl << std::setprecision(9);
  igtl::Socket::Pointer socket;
  while (socket.IsNull()) socket = server->WaitForConnection(1000);
  sayEverything(socket);
  while (true) {
    igtl::MessageHeader::Pointer header = igtl::MessageHeader::New();
    header->InitPack();
    const int got = socket->Receive(header->GetPackPointer(), header->GetPackSize());
    if (got != header->GetPackSize()) break;
    header->Unpack();
    hear(socket, header);
  }
  socket->CloseSocket();
  return 0;
}
